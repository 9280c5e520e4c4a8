/** `npm run host`: prepares the stack's machine and deploys nothing. A bare machine has no engine that `up` could ask. */
import { confirm, mustBeAskable } from "../terminal/prompt.ts";
import { EXIT, InterruptedError, OpsError } from "../terminal/errors.ts";
import { print } from "../terminal/output.ts";
import { runPulumi } from "../stack/run.ts";
import { signals, openStackAlone, type CommonOptions } from "../stack/session.ts";

export interface HostOptions extends CommonOptions {
  readonly yes?: boolean;
}

/** The commands of the component, whatever they are called. */
export const hostTargets = (stack: string, project: string): string[] => [
  `urn:pulumi:${stack}::${project}::omniai:host:Host$command:remote:Command::*`,
];

export async function host(options: HostOptions): Promise<void> {
  if (!options.yes) mustBeAskable();
  const { stack, settings, handle } = await openStackAlone(options, { create: true, lock: "host" });
  if (String(settings.values["hostPrepare"]) !== "true") {
    throw new OpsError(
      `Stack ${stack} prepares no host: omniai:hostPrepare is false.`,
      "docs/environments.md says which keys it needs.",
      EXIT.usage,
    );
  }
  const target = hostTargets(stack, settings.project);
  const go = { signals, options: handle.options, show: true };
  await runPulumi({
    ...go,
    title: `previewing the host of stack ${stack}`,
    run: (run) => handle.program.preview({ ...run, target, diff: true }),
  });
  signals.begin({ title: "asking" });
  if (!options.yes && !(await confirm("Run these scripts on the host?")))
    throw new InterruptedError("The host was not prepared.", "Nothing was changed.");
  await runPulumi({
    ...go,
    title: `preparing the host of stack ${stack}`,
    run: (run) => handle.program.up({ ...run, target, showSecrets: false }),
  });
  print(`The host of stack ${stack} is prepared. Deploy to it: npm run up -- --stack ${stack}`);
}
