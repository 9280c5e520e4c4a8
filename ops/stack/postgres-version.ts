/** PostgreSQL does not start on the data of another major version: found before anything is replaced. */
import type Docker from "dockerode";
import { majorOf } from "../../infra/components/database/version.ts";
import { dataVolumeName } from "../../infra/resources/volume.ts";
import { readVolumeFile } from "../engine/volume-file.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";

/** Of which major version the data in a stack's volume is; undefined where there is none yet. */
export async function dataMajor(docker: Docker, stack: string): Promise<number | undefined> {
  const volume = dataVolumeName(stack, "postgres");
  const found = await readVolumeFile(docker, { stack, volume, path: "PG_VERSION" });
  return found === undefined ? undefined : Number(found.trim());
}

/** Pure. @throws OpsError where the image is of another version than the data */
export function refuseOtherMajor(stack: string, image: string, data: number | undefined): void {
  const wanted = majorOf(image);
  if (wanted === undefined || data === undefined || Number.isNaN(data) || wanted === data) return;
  throw new OpsError(
    `The data of stack ${stack} is of PostgreSQL ${data}, and omniai:postgresImage (${image}) is PostgreSQL ${wanted}, which does not start on it. Nothing was changed.`,
    wanted > data
      ? `Set omniai:postgresImage back to an image of PostgreSQL ${data}, and let the data follow: ${npmRun("upgrade", stack, "postgres", String(wanted))}`
      : `Set omniai:postgresImage to an image of PostgreSQL ${data}. If an upgrade was broken off, run it again: ${npmRun("upgrade", stack, "postgres", String(data))}`,
    exit.usage,
  );
}

/** @throws OpsError */
export async function checkPostgresVersion(docker: Docker, stack: string, image: string): Promise<void> {
  if (majorOf(image) !== undefined) refuseOtherMajor(stack, image, await dataMajor(docker, stack));
}
