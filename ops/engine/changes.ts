/**
 * The changes of stacks, kept on the engine beside the images that a rollback needs: in the label of a small volume that
 * is never mounted. Making a volume is the one thing that an engine does at once and remembers for ever without running
 * anything, and listing volumes reads all of them in one call.
 */
import { randomBytes } from "node:crypto";
import type Docker from "dockerode";
import { CHANGES_LABEL, STACK_LABEL } from "../../infra/resources/labels.ts";
import { unlessGone } from "./connection.ts";

/** What one volume keeps. */
export interface ChangesVolume {
  readonly volume: string;
  readonly stack: string;
  readonly text: string;
}

/** @param stack default: every stack on the engine. */
export async function readChangesVolumes(docker: Docker, stack?: string): Promise<ChangesVolume[]> {
  const label = [CHANGES_LABEL, ...(stack === undefined ? [] : [`${STACK_LABEL}=${stack}`])];
  const { Volumes } = await docker.listVolumes({ filters: JSON.stringify({ label }) });
  return (Volumes ?? []).map(({ Name, Labels }) => ({
    volume: Name,
    stack: Labels[STACK_LABEL] ?? "",
    text: Labels[CHANGES_LABEL] ?? "",
  }));
}

/**
 * A label cannot be changed, so a new volume takes the place of those that were read. When two machines write at the same
 * time, each leaves a volume of its own; the next one to write reads both.
 */
export async function writeChangesVolume(
  docker: Docker,
  stack: string,
  text: string,
  replaced: readonly ChangesVolume[],
): Promise<void> {
  await docker.createVolume({
    Name: `omniai-${stack}-changes-${randomBytes(4).toString("hex")}`,
    Labels: { [STACK_LABEL]: stack, [CHANGES_LABEL]: text },
  });
  for (const { volume } of replaced) await unlessGone(docker.getVolume(volume).remove());
}
