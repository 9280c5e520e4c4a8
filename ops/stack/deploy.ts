/** What up, restart and rollback have in common: the checks before an update, the update, and how it ended. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import type Docker from "dockerode";
import { environmentOf, isMandatory } from "../../infra/config/policy-settings.ts";
import { certificateEnd, certificateLine } from "../engine/certificate.ts";
import { isGood } from "../engine/containers.ts";
import {
  explainContainers,
  healthTable,
  printUrls,
  settledContainers,
  urlsOf,
} from "../engine/health-report.ts";
import { describeMaintenance, readMaintenance, type Maintenance } from "../engine/maintenance.ts";
import { readSwarmMaintenance } from "../engine/swarm-maintenance.ts";
import { explainSwarm, nodeTable, taskTable } from "../engine/swarm-report.ts";
import { nodeProblems, readSwarm, serviceProblems, settledSwarm } from "../engine/swarm-view.ts";
import { OpsError } from "../terminal/errors.ts";
import { note, paint, print } from "../terminal/output.ts";
import { lastGoodDeploy, publishWhenEnded } from "./changes.ts";
import { externalData } from "./external.ts";
import { describeLeftBackups } from "./left-behind.ts";
import { forget } from "./forgotten.ts";
import { checkIdentity, type Allowed, type Settlement } from "./identity.ts";
import type { StackHandle } from "./open-stack.ts";
import { checkPostgresVersion } from "./postgres-version.ts";
import { checkIpv6 } from "./ipv6.ts";
import { checkPorts } from "./prechecks.ts";
import { recover } from "./recover.ts";
import { quietly } from "./quiet.ts";
import { RunFailed, runPulumi } from "./run.ts";
import type { Session } from "./session.ts";
import { imageNames, type KnownConfig } from "./settings.ts";
import type { State } from "./state.ts";
import { say, signals } from "./this-process.ts";
import { prepareImages, standInsLine } from "./toolchain.ts";

/**
 * Looks whether the stack is where its state says, clears what an interrupted run left behind, checks the ports and makes
 * the images ready.
 * Whoever gives `allowed` calls `remember` if the deploy fails.
 * @param allowed undefined for a command that deploys nothing new, and so makes nothing anew that the state has.
 * @param config of what is deployed, where that is not the stack's file as it is. Nothing is built then.
 * @returns the state after clean-up
 */
export async function prepare(session: Session, allowed?: Allowed, config?: KnownConfig): Promise<State> {
  const { docker, dockerHost, stack, settings } = session;
  signals.begin({ title: `looking at stack ${stack} on the engine` });
  const served = await lastGoodDeploy(docker, session);
  let settlement: Settlement = { forget: [] };
  // Before anything is cleared: what is missing may be missing because this is another engine.
  const state = await recover(session, async (exported) => {
    const bringImages = (): Promise<void> => prepareStackImages(session, config);
    settlement = await checkIdentity(
      {
        docker,
        dockerHost,
        stack,
        state: exported,
        served,
        bringImages,
        offsite: settings.config.offsiteBucket,
        external: externalData(settings.config),
      },
      allowed,
    );
    publishWhenEnded(session);
  });
  await checkMachine(session, config);
  await prepareStackImages(session, config);
  // Last: nothing may fail between this and the deploy that does not give it back.
  const urns = allowed === undefined ? [] : settlement.forget;
  const words = describeLeftBackups(stack, urns);
  if (words !== undefined) say(words);
  return urns.length === 0 ? state : forget(session, urns);
}

/**
 * Whether the data's version and the free ports allow what is deployed. The version of PostgreSQL is the stack's as it is, because
 * its data only goes forward; ports are those of what is deployed.
 * @param config as for `prepare`. @throws OpsError
 */
export async function checkMachine(
  {
    docker,
    stack,
    settings,
    engineIsLocal,
  }: Pick<Session, "docker" | "stack" | "settings" | "engineIsLocal">,
  config: KnownConfig = settings.config,
): Promise<void> {
  if (settings.config.database !== "external")
    await checkPostgresVersion(docker, stack, settings.config.postgresImage ?? "");
  await checkIpv6(docker, stack, config);
  await checkPorts(docker, stack, config, engineIsLocal);
}

/**
 * Puts the images on the engine, and names every stand-in among them and among the tools.
 * @param built the config of a deploy that builds nothing; undefined for one of the sources.
 */
export async function prepareStackImages(session: Session, built?: KnownConfig): Promise<void> {
  const { context, stack, settings, dockerHost, parts } = session;
  signals.begin({ title: "making the images ready" });
  const standIns = environmentOf(stack, settings.config.environment ?? "") === "dev";
  const names = imageNames(stack, built ?? settings.config, built === undefined);
  const images = await prepareImages(context, names, dockerHost, standIns);
  const line = standInsLine([...parts, ...images]);
  if (line !== undefined) say(line);
}

/** Whether a violation of a policy stops a deploy with this config. Who deploys then looks before anything is touched. */
export const policiesAreMandatory = (stack: string, { environment = "" }: KnownConfig): boolean =>
  isMandatory(environmentOf(stack, environment));

export interface Deploy {
  /** What is going on, for messages: "deploying stack dev". */
  readonly title: string;
  /** The handle's own, or those of another version (useVersion). */
  readonly options: StackHandle["options"];
  /** Asks the engine for drift first. */
  readonly refresh: boolean;
  /** URNs of resources to replace even though nothing about them has changed. */
  readonly replace?: readonly string[];
  /** Shows nothing of it on standard output, which is for JSON then. */
  readonly silent?: boolean;
}

/** One update of the stack. If it fails, the unhealthy containers say why. @returns the stack's outputs */
export async function deploy(
  session: Session,
  { title, options, refresh, replace = [], silent = false }: Deploy,
): Promise<OutputMap> {
  const { docker, stack, handle } = session;
  try {
    const { value } = await quietly({ docker, stack }, title, () =>
      runPulumi({
        title,
        options,
        show: !silent,
        run: (run) => handle.program.up({ ...run, refresh, replace: [...replace], showSecrets: false }),
      }),
    );
    return value.outputs;
  } catch (error) {
    if (error instanceof RunFailed) await explainNow(session);
    throw error;
  }
}

const isOnSwarm = ({ settings }: Pick<Session, "settings">): boolean => settings.config.platform === "swarm";

/** Says why what is there is not healthy. */
async function explainNow({ docker, stack, settings }: Session): Promise<void> {
  if (!isOnSwarm({ settings }))
    return explainContainers(docker, stack, await settledContainers(docker, stack, 0));
  // A swarm that answers nobody would hide why the update has failed.
  const view = await readSwarm(docker, stack).catch(() => undefined);
  if (view !== undefined) await explainSwarm(docker, stack, view);
}

/** How the stack is after an update. */
interface Sight {
  /** For people, a line each. */
  readonly lines: readonly string[];
  /** What is not as it should be, as the end of "The update went through, but …"; undefined where all is well. */
  readonly bad?: string;
  readonly maintenance: Maintenance | undefined;
  readonly explain: () => Promise<void>;
}

/** How long what has just been deployed may take to be healthy everywhere, in seconds. */
const SETTLE_SECONDS = 60;

async function lookAtContainers(docker: Docker, stack: string): Promise<Sight> {
  const views = await settledContainers(docker, stack, SETTLE_SECONDS);
  const bad = views.filter((view) => !isGood(view)).map(({ name }) => name);
  return {
    lines: healthTable(views),
    ...(bad.length > 0 && { bad: `${bad.join(", ")} ${bad.length > 1 ? "are" : "is"} not healthy.` }),
    maintenance: await readMaintenance(docker, views).catch(() => undefined),
    explain: () => explainContainers(docker, stack, views),
  };
}

async function lookAtSwarm(docker: Docker, stack: string): Promise<Sight> {
  const view = await settledSwarm(docker, stack, SETTLE_SECONDS);
  const problems = serviceProblems(view);
  return {
    // A machine that is away is told, and makes no deploy a bad one: the services are whole without it.
    lines: [...nodeTable(view), ...taskTable(view), ...nodeProblems(view).map((line) => `  ${line}`)],
    ...(problems.length > 0 && { bad: `not everything is well: ${problems.join(" ")}` }),
    maintenance: await readSwarmMaintenance(docker, stack).catch(() => undefined),
    explain: () => explainSwarm(docker, stack, view),
  };
}

/**
 * Shows the URLs and the health of every container after an update.
 * @param outputs of that update. @param silent shows nothing on standard output, which is for JSON then.
 * @returns the id of the service's image. @throws OpsError when a container is not healthy
 */
export async function summarise(
  { docker, stack, settings }: Pick<Session, "docker" | "stack" | "settings">,
  outputs: OutputMap,
  silent = false,
): Promise<string> {
  signals.begin({ title: "looking at the containers" });
  const look = isOnSwarm({ settings }) ? lookAtSwarm : lookAtContainers;
  const { lines, bad, maintenance, explain } = await look(docker, stack);
  if (!silent) {
    print();
    print(paint("bold", `Stack ${stack}`));
    printUrls(urlsOf(outputs));
    for (const line of lines) print(line);
  }
  if (maintenance !== undefined)
    note(paint("yellow", describeMaintenance(maintenance, stack), process.stderr));
  const certificate = certificateEnd(outputs);
  if (certificate !== undefined) note(certificateLine(certificate, stack, process.stderr));
  const images = outputs["images"]?.value as Readonly<Record<string, string>> | undefined;
  if (bad === undefined) return images?.["backend"] ?? "";
  await explain();
  note();
  throw new OpsError(`The update went through, but ${bad}`, "The reasons are above.");
}
