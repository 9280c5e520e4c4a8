/** `npm run up`: the stack as the program declares it, healthy, or a reason why not. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { environmentOf, isMandatory } from "../../infra/config/policy-settings.ts";
import { confirm, mustBeAskable } from "../terminal/prompt.ts";
import { isGood } from "../engine/containers.ts";
import { InterruptedError, OpsError } from "../terminal/errors.ts";
import { describeDowntime } from "../stack/downtime.ts";
import { describeMaintenance, readMaintenance } from "./maintenance.ts";
import { note, paint, print } from "../terminal/output.ts";
import { checkPorts } from "../stack/prechecks.ts";
import { recover } from "../stack/recover.ts";
import { explainContainers, healthTable, printUrls, settledContainers, urlsOf } from "../engine/health-report.ts";
import { RunFailed, runPulumi } from "../stack/run.ts";
import { imageNames, textOf } from "../stack/settings.ts";
import { signals, openSession, ROOT, say, type CommonOptions, type Session } from "../stack/session.ts";
import type { StackHandle } from "../stack/open-stack.ts";
import { failedResources, nameOf, type State } from "../stack/state.ts";
import { prepareImages, standInsLine } from "../stack/toolchain.ts";
import { configOf, removeObsolete, sourceBuild } from "../stack/versions.ts";

export interface UpOptions extends CommonOptions {
  readonly yes?: boolean;
  /** False with --no-refresh. */
  readonly refresh?: boolean;
}

/**
 * Pure: whether the engine is asked for drift first. Always, because a container that was stopped or removed by hand
 * is healed only then. Not after a failed gate: a refresh would take the mark off the container that never got
 * healthy, and the update would keep it and delete the good one.
 */
export const refreshes = (state: State, asked: boolean): boolean => asked && failedResources(state).length === 0;

/** Checks and preparations that an update and a preview share. @returns the state */
export async function prepare(session: Session): Promise<State> {
  const { docker, stack, settings, engineIsLocal } = session;
  signals.begin({ title: `looking at stack ${stack} on the engine` });
  const state = await recover(session);
  await checkPorts(docker, stack, settings.values, engineIsLocal);
  await getImages(session);
  return state;
}

/** Makes the images be on the engine, and names every stand-in among them and among the tools. */
export async function getImages({ context, settings, dockerHost, parts }: Session): Promise<void> {
  signals.begin({ title: "making the images ready" });
  const images = await prepareImages(context, imageNames(settings.values), dockerHost);
  const line = standInsLine([...parts, ...images]);
  if (line !== undefined) say(line);
}

export async function up(options: UpOptions): Promise<void> {
  if (options.stack !== "dev" && !options.yes) mustBeAskable();
  const session = await openSession(options, { create: true, lock: "up" });
  const { stack, handle, settings, audit } = session;
  const state = await prepare(session);
  for (const resource of failedResources(state)) {
    say(`${nameOf(resource.urn)} did not get healthy in the run before; it is replaced and checked again.`);
  }
  const refresh = refreshes(state, options.refresh !== false);
  if (stack !== "dev" && !options.yes) await showAndAsk(session, refresh);
  else if (policiesStop(session)) await checkPolicies(session, refresh);

  const build = sourceBuild(ROOT, settings.values);
  audit?.note({ to: build });
  const outputs = await deploy(session, handle.options, refresh, `deploying stack ${stack}`);
  const imageId = await summarise(session, outputs);
  audit?.note({ version: { build, imageId, config: configOf(session) } });
  await removeObsolete(session);
}

/** One update of the stack. Where it fails, the containers that are not well say why. @returns the stack's outputs */
export async function deploy(
  { docker, stack, handle }: Session,
  options: StackHandle["options"],
  refresh: boolean,
  title: string,
  replace: readonly string[] = [],
): Promise<OutputMap> {
  try {
    const { value } = await runPulumi({
      title,
      signals,
      options,
      show: true,
      run: (run) => handle.program.up({ ...run, refresh, replace: [...replace], showSecrets: false }),
    });
    return value.outputs;
  } catch (error) {
    if (error instanceof RunFailed)
      await explainContainers(docker, stack, await settledContainers(docker, stack, 0));
    throw error;
  }
}

const policiesStop = ({ stack, settings }: Session): boolean =>
  isMandatory(environmentOf(stack, textOf(settings.values, "environment") ?? ""));

/** A preview for the policies alone: a violation found during the update would leave it half done. */
async function checkPolicies({ stack, handle }: Session, refresh: boolean): Promise<void> {
  await runPulumi({
    title: `checking stack ${stack} against its policies`,
    signals,
    options: handle.options,
    show: false,
    run: (run) => handle.program.preview({ ...run, refresh }),
  });
}

async function showAndAsk(session: Session, refresh: boolean): Promise<void> {
  const { stack, handle } = session;
  const { events } = await runPulumi({
    title: `previewing stack ${stack}`,
    signals,
    options: handle.options,
    show: true,
    run: (run) => handle.program.preview({ ...run, refresh }),
  });
  for (const line of describeDowntime(events.changes, stack)) say(line);
  signals.begin({ title: "asking" });
  if (!(await confirm(`Deploy this to stack ${stack}?`))) {
    throw new InterruptedError(`Stack ${stack} was not deployed.`, "Nothing was changed.");
  }
}

/**
 * Shows the URLs and the health of every container.
 * @param outputs of the update that it tells of.
 * @returns the id of the service's image. @throws OpsError when a container is not well
 */
export async function summarise({ docker, stack }: Session, outputs: OutputMap): Promise<string> {
  signals.begin({ title: "looking at the containers" });
  const views = await settledContainers(docker, stack, 60);
  print();
  print(paint("bold", `Stack ${stack}`));
  printUrls(urlsOf(outputs));
  for (const line of healthTable(views)) print(line);
  const bad = views.filter((view) => !isGood(view));
  const maintenance = await readMaintenance(docker, stack).catch(() => undefined);
  if (maintenance !== undefined)
    note(paint("yellow", describeMaintenance(maintenance, stack), process.stderr));
  const images = outputs["images"]?.value as Readonly<Record<string, string>> | undefined;
  if (bad.length === 0) return images?.["backend"] ?? "";
  await explainContainers(docker, stack, views);
  note();
  throw new OpsError(
    `The update went through, but ${bad.map(({ name }) => name).join(", ")} ${bad.length > 1 ? "are" : "is"} not healthy.`,
    "The reasons are above.",
  );
}
