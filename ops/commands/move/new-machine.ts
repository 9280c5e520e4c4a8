/** The machine that a stack moves to, as a way back meets it: it may be gone, and it may have served. */
import type Docker from "dockerode";
import { EDGE_FOLDER } from "../../../infra/components/edge/switch.ts";
import { listContainers } from "../../engine/containers.ts";
import { readContainerLink } from "../../engine/volume-file.ts";
import { within } from "../../engine/within.ts";
import { writeProgress, type MoveProgress } from "../../stack/move-progress.ts";
import { connectEngine, type Place } from "../../stack/place.ts";
import { AwayError, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { checkSame } from "./check.ts";
import { removeContainers } from "./old-stack.ts";
import { placeAt } from "./target.ts";
import { loginKey, type MoveOptions } from "./work.ts";

/** @throws OpsError also where another machine answers by now */
export async function connectNew(
  options: MoveOptions,
  from: Place,
  { access, engines, host }: MoveProgress,
): Promise<Docker> {
  const { docker } = await connectEngine(placeAt(from, access), loginKey(options));
  await checkSame(docker, engines?.fresh, host);
  return docker;
}

/** How long a machine has to answer where the way back does not need it, in ms. */
const ANSWER_LIMIT = 30_000;

/** @throws AwayError where it takes too long */
export const withinLimit = <T>(asked: Promise<T>, host: string, limit = ANSWER_LIMIT): Promise<T> =>
  within(limit, asked, () => {
    throw new AwayError(`${host} has not answered within ${limit / 1000} s.`, "Look whether it runs.");
  });

/**
 * Before a way back that gives the new machine up for lost: while it runs it may serve, and the old one would serve beside it.
 * @throws OpsError where it answers
 */
export async function refuseAnswering(
  connecting: Promise<Docker>,
  stack: string,
  host: string,
  limit?: number,
): Promise<void> {
  const answers = await withinLimit(connecting, host, limit).then(
    () => true,
    () => false,
  );
  if (!answers) return;
  throw new OpsError(
    `${host} answers, so it is not lost, and what it has of stack ${stack} may serve. Nothing was changed.`,
    `It answers: go on without --lost: ${npmRun("move", stack, "--back")}`,
  );
}

/** Pure: whether the machine may be gone for good. One that refuses a key runs. */
export const mayBeLost = (error: unknown): boolean => error instanceof AwayError;

/** The new machine has acknowledged what the old one does not have. */
class ServedError extends OpsError {}

/**
 * Before the old stack serves again where it had been stopped. The progress may be behind what is so: where the new machine has served,
 * the fence was passed, and the same command goes on.
 * @throws OpsError where it has served
 */
export async function closeBehind(
  docker: Docker,
  { stack, backend }: Pick<Place, "stack" | "backend">,
  before: MoveProgress,
): Promise<void> {
  // With identities a way back was broken off: it has looked already, or was told that the machine is lost, and the old stack may have
  // served since.
  if (before.identities === undefined)
    await refuseServed(docker, stack, before.host).catch((error: unknown) => {
      if (error instanceof ServedError) writeProgress(backend, stack, { ...before, step: "fenced" });
      throw error;
    });
  await removeContainers(docker, stack);
}

/** The same where the new machine is reached. */
export async function closeReachable(options: MoveOptions, from: Place, before: MoveProgress): Promise<void> {
  const connecting = connectNew(options, from, before);
  const docker = await withinLimit(connecting, before.host).catch(() => undefined);
  if (docker !== undefined) await closeBehind(docker, from, before);
}

/** Nobody may write there any more before somebody may on the old machine. @throws OpsError where it has served */
export async function closeNew(docker: Docker, stack: string, host: string): Promise<void> {
  await refuseServed(docker, stack, host);
  await removeContainers(docker, stack);
}

/** Stops the entrance first, so that what is found stays so. @throws OpsError */
async function refuseServed(docker: Docker, stack: string, host: string): Promise<void> {
  const edge = (await listContainers(docker, stack)).find(({ workload }) => workload === "edge");
  if (edge === undefined) return;
  const container = docker.getContainer(edge.id);
  await container.stop().catch((error: { statusCode?: number }) => {
    if (error.statusCode !== 304) throw error;
  });
  // The first release answers everything with 503; any other one leads to the replicas.
  if ((await readContainerLink(container, `${EDGE_FOLDER}/current`)) === "releases/first") return;
  await container.start();
  throw new ServedError(
    `The edge on ${host} has served already, so what was acknowledged there is not on the old machine.`,
    `Go on instead: ${npmRun("move", stack, host)}`,
  );
}
