/** `npm run host`: prepares the stack's machine and deploys nothing, because a bare machine has no engine to ask. */
import type { CommonOptions, Place } from "../stack/place.ts";
import type { StackHandle } from "../stack/open-stack.ts";
import { runPreview, runPulumi } from "../stack/run.ts";
import { deployablePlace, openStackAlone, HOST_POLICY_PACKS } from "../stack/session.ts";
import { signals } from "../stack/this-process.ts";
import { exit, InterruptedError, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { print } from "../terminal/output.ts";
import { confirm, requireTerminal } from "../terminal/prompt.ts";

export interface HostOptions extends CommonOptions {
  readonly yes?: boolean;
}

type Opened = Place & { readonly handle: StackHandle };

/** Pure: the host's component and every command in it, whatever their names are. */
export const hostTargets = (stack: string, project: string): string[] =>
  ["omniai:host:Host", "omniai:host:Host$command:remote:Command"].map(
    (type) => `urn:pulumi:${stack}::${project}::${type}::*`,
  );

/** @throws OpsError when there is nothing to prepare, before anybody is asked or waits for a tool. */
function checkPreparesHost({ stack, settings }: Place): void {
  if (settings.config.hostPrepare === true) return;
  throw new OpsError(
    `Stack ${stack} prepares no host: omniai:hostPrepare is false.`,
    'Set it, and the other host keys ("A remote host" in docs/environments.md).',
    exit.usage,
  );
}

export async function host(options: HostOptions): Promise<void> {
  checkPreparesHost(deployablePlace(options));
  if (!options.yes) requireTerminal();
  const opened = await openStackAlone(options, { create: true, lock: "host" });
  const { stack } = opened;
  await runHostSteps(opened, async () => {
    signals.begin({ title: "asking" });
    if (!options.yes && !(await confirm("Run these scripts on the host?")))
      throw new InterruptedError("The host was not prepared.", "Nothing was changed.");
  });
  print(`The host of stack ${stack} is prepared. Deploy to it: ${npmRun("up", stack)}`);
}

/**
 * Runs the steps alone, on the machine that the stack's file names.
 * @param ask is called when they have been shown and before any runs; what it throws ends it.
 */
export async function runHostSteps(
  { stack, settings, handle }: Opened,
  ask: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const target = hostTargets(stack, settings.project);
  // The steps are judged in the preview, before anybody is asked; the run has the same.
  const part = { ...handle.options, policyPacks: [] };
  const judged = { ...part, policyPacks: [...HOST_POLICY_PACKS] };
  const title = `previewing the host of stack ${stack}`;
  await runPreview(handle, { title, options: judged, show: true, target, diff: true });
  await ask();
  await runPulumi({
    title: `preparing the host of stack ${stack}`,
    options: part,
    show: true,
    run: (options) => handle.program.up({ ...options, target, showSecrets: false }),
  });
}
