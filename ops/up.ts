/** `npm run up`: the stack as the program declares it, healthy, or a reason why not. */
import { confirm, mustBeAskable } from "./ask.ts";
import { isGood } from "./engine.ts";
import { InterruptedError, OpsError } from "./errors.ts";
import { note, paint, print } from "./output.ts";
import { checkPorts } from "./prechecks.ts";
import { recover } from "./recover.ts";
import { explainContainers, healthTable, printUrls, settledContainers, urlsOf } from "./report.ts";
import { RunFailed, runPulumi } from "./run.ts";
import { interrupts, openSession, say, type CommonOptions, type Session } from "./session.ts";
import { imageNames } from "./settings.ts";
import { failedGates, nameOf, type State } from "./state.ts";
import { prepareImages, standInsLine } from "./toolchain.ts";

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
export const refreshes = (state: State, asked: boolean): boolean => asked && failedGates(state).length === 0;

/** Checks and preparations that an update and a preview share. @returns the state */
export async function prepare(session: Session): Promise<State> {
  const { docker, stack, settings, engineIsLocal } = session;
  interrupts.begin({ title: `looking at stack ${stack} on the engine` });
  const state = await recover(session);
  await checkPorts(docker, stack, settings.values, engineIsLocal);
  await getImages(session);
  return state;
}

/** Makes the images be on the engine, and names every stand-in among them and among the tools. */
export async function getImages({ context, settings, dockerHost, parts }: Session): Promise<void> {
  interrupts.begin({ title: "making the images ready" });
  const images = await prepareImages(context, imageNames(settings.values), dockerHost);
  const line = standInsLine([...parts, ...images]);
  if (line !== undefined) say(line);
}

export async function up(options: UpOptions): Promise<void> {
  if (options.stack !== "dev" && !options.yes) mustBeAskable();
  const session = await openSession(options, { create: true, lock: "up" });
  const { docker, stack, handle } = session;
  const state = await prepare(session);
  for (const resource of failedGates(state)) {
    say(`${nameOf(resource.urn)} did not get healthy in the run before; it is replaced and checked again.`);
  }
  const refresh = refreshes(state, options.refresh !== false);
  if (stack !== "dev" && !options.yes) await showAndAsk(session, refresh);

  try {
    await runPulumi({
      title: `deploying stack ${stack}`,
      interrupts,
      options: handle.options,
      show: true,
      run: (run) => handle.program.up({ ...run, refresh, showSecrets: false }),
    });
  } catch (error) {
    if (error instanceof RunFailed)
      await explainContainers(docker, stack, await settledContainers(docker, stack, 0));
    throw error;
  }
  await summarise(session);
}

async function showAndAsk(session: Session, refresh: boolean): Promise<void> {
  const { stack, handle } = session;
  await runPulumi({
    title: `previewing stack ${stack}`,
    interrupts,
    options: handle.options,
    show: true,
    run: (run) => handle.program.preview({ ...run, refresh }),
  });
  interrupts.begin({ title: "asking" });
  if (!(await confirm(`Deploy this to stack ${stack}?`))) {
    throw new InterruptedError(`Stack ${stack} was not deployed.`, "Nothing was changed.");
  }
}

/** The URLs and the health of every container. @throws OpsError when one is not well */
export async function summarise({ docker, stack, handle }: Session): Promise<void> {
  interrupts.begin({ title: "looking at the containers" });
  const outputs = await handle.state.outputs();
  const views = await settledContainers(docker, stack, 60);
  print();
  print(paint("bold", `Stack ${stack}`));
  printUrls(urlsOf(outputs));
  for (const line of healthTable(views)) print(line);
  const bad = views.filter((view) => !isGood(view));
  if (bad.length === 0) return;
  await explainContainers(docker, stack, views);
  note();
  throw new OpsError(
    `The update went through, but ${bad.map(({ name }) => name).join(", ")} ${bad.length > 1 ? "are" : "is"} not healthy.`,
    "The reasons are above.",
  );
}
