/** What up, restart and rollback have in common: the checks before an update, the update, and how it ended. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { environmentOf } from "../../infra/config/policy-settings.ts";
import { isGood } from "../engine/containers.ts";
import {
  explainContainers,
  healthTable,
  printUrls,
  settledContainers,
  urlsOf,
} from "../engine/health-report.ts";
import { describeMaintenance, readMaintenance } from "../engine/maintenance.ts";
import { OpsError } from "../terminal/errors.ts";
import { note, paint, print } from "../terminal/output.ts";
import type { StackHandle } from "./open-stack.ts";
import { checkPorts } from "./prechecks.ts";
import { recover } from "./recover.ts";
import { RunFailed, runPulumi } from "./run.ts";
import type { Session } from "./session.ts";
import { imageNames } from "./settings.ts";
import type { State } from "./state.ts";
import { say, signals } from "./this-process.ts";
import { prepareImages, standInsLine } from "./toolchain.ts";

/** Clears what an interrupted run left behind, checks the ports and makes the images ready. @returns the state */
export async function prepare(session: Session): Promise<State> {
  const { docker, stack, settings, engineIsLocal } = session;
  signals.begin({ title: `looking at stack ${stack} on the engine` });
  const state = await recover(session);
  await checkPorts(docker, stack, settings.config, engineIsLocal);
  await prepareStackImages(session);
  return state;
}

/** Puts the images on the engine, and names every stand-in among them and among the tools. */
export async function prepareStackImages(session: Session): Promise<void> {
  const { context, stack, settings, dockerHost, parts } = session;
  signals.begin({ title: "making the images ready" });
  const standIns = environmentOf(stack, settings.config.environment ?? "") === "dev";
  const images = await prepareImages(context, imageNames(settings.config), dockerHost, standIns);
  const line = standInsLine([...parts, ...images]);
  if (line !== undefined) say(line);
}

export interface Deploy {
  /** What is going on, for messages: "deploying stack dev". */
  readonly title: string;
  /** The handle's own, or those of another version (useVersion). */
  readonly options: StackHandle["options"];
  /** Asks the engine for drift first. */
  readonly refresh: boolean;
  /** URNs of resources to replace even though nothing about them has changed. */
  readonly replace?: readonly string[];
}

/** One update of the stack. If it fails, the unhealthy containers say why. @returns the stack's outputs */
export async function deploy(
  { docker, stack, handle }: Session,
  { title, options, refresh, replace = [] }: Deploy,
): Promise<OutputMap> {
  try {
    const { value } = await runPulumi({
      title,
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

/**
 * Shows the URLs and the health of every container after an update.
 * @param outputs of that update.
 * @returns the id of the service's image. @throws OpsError when a container is not healthy
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
