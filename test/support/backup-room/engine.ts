/** The engine by its CLI, and the images of a test: PostgreSQL's, Redis' and the room's own. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { buildArgs, CONTEXT, imageOf, sourceHash } from "../../../infra/components/backup/image.ts";
import { defaults } from "../../../infra/test/defaults.ts";

export const POSTGRES = String(defaults["postgresImage"]);
export const REDIS = String(defaults["redisImage"]);
/** Of every role and user, for the tests only. */
export const PASSWORD = "for-the-tests-only";
/** How long one command may take, in seconds. A measurement with much data raises it. */
export const patience = { seconds: 240 };

const run = promisify(execFile);

/** @throws Error with what the command wrote */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run("docker", args, { maxBuffer: 64 << 20, timeout: patience.seconds * 1000 });
  return stdout.trim();
}

let built: Promise<string> | undefined;

/** Builds the room's image as the stack does, under the name that its sources give it, once for each run. */
export const buildImage = (): Promise<string> => (built ??= build());

async function build(): Promise<string> {
  const images = { postgres: POSTGRES, redis: REDIS };
  const name = imageOf(sourceHash(images));
  const args = Object.entries(buildArgs(images)).flatMap(([key, value]) => [
    "--build-arg",
    `${key}=${value}`,
  ]);
  await docker("build", "--quiet", "--tag", name, ...args, CONTEXT);
  return name;
}
