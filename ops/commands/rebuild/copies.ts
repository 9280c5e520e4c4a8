/** What rebuild and drill have in common: the sealed state out of the bucket, the backups onto a volume, the restore. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import type Docker from "dockerode";
import type { BaseImages } from "../../../infra/components/backup/image.ts";
import { dataFolderOf } from "../../../infra/components/database/version.ts";
import { dataVolumeName } from "../../../infra/resources/volume.ts";
import { askOnce, buildRoom, givenFor, type Bucket } from "../../engine/one-off-room.ts";
import type { BackupView, CopyView } from "../../engine/backup-room.ts";
import { externalServers } from "../../stack/external.ts";
import { ROOT } from "../../stack/place.ts";
import { readSettings, type KnownConfig } from "../../stack/settings.ts";
import { SEALED_FORMAT, type SealedStack } from "../../stack/seal.ts";
import { signals } from "../../stack/this-process.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { note } from "../../terminal/output.ts";
import { showEvents } from "../backup/progress.ts";

export interface Source {
  readonly docker: Docker;
  readonly bucket: Bucket;
  /** The room's image, and where its volume belongs. */
  readonly image: string;
  readonly folder: string;
}

/** Pure: the images that the room's own is made from, by the stack's config. */
export const baseImages = ({ postgresImage = "", redisImage = "" }: KnownConfig): BaseImages => ({
  postgres: postgresImage,
  redis: redisImage,
});

export async function openSource(docker: Docker, bucket: Bucket, images: BaseImages): Promise<Source> {
  signals.begin({ title: "making the backup room's image ready" });
  return {
    docker,
    bucket,
    image: await buildRoom(docker, images),
    folder: dataFolderOf(images.postgres),
  };
}

/** A copy, by default the newest, and the stack's state in it. @throws OpsError */
export async function readSealed(
  { docker, bucket, image }: Source,
  wanted?: string,
): Promise<{ sealed: SealedStack; copy: CopyView }> {
  signals.begin({ title: "reading the stack's state out of the bucket" });
  const { content, copy } = await askOnce<{ content: string; copy: CopyView }>(docker, {
    image,
    ...givenFor(bucket),
    args: ["state", ...(wanted === undefined ? [] : ["--copy", wanted])],
    onEvent: showEvents(),
  });
  const sealed = JSON.parse(content) as SealedStack;
  const format: number = sealed.format;
  if (format === SEALED_FORMAT) return { sealed, copy };
  throw new OpsError(
    `The stack's state in copy ${copy.id} has format ${String(format)}; this version reads format ${SEALED_FORMAT}.`,
    "Use the version of this project that made it.",
  );
}

/** How long the room of a new stack may be at work with a backup of its own, in seconds. */
const PATIENCE = 900;

/** Brings the backups of one copy onto the backup volume of a stack that runs. */
export async function fetchInto(
  { docker, bucket, image, folder }: Source,
  stack: string,
  copy: string,
): Promise<readonly string[]> {
  signals.begin({ title: `bringing copy ${copy} to stack ${stack}` });
  const { brought } = await askOnce<{ brought: readonly string[] }>(docker, {
    image,
    ...givenFor(bucket),
    volume: { name: dataVolumeName(stack, "backup"), folder },
    args: ["fetch", "--copy", copy, "--wait", String(PATIENCE)],
    onEvent: showEvents(),
  });
  return brought;
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
}

/** Runs one of the operator's own commands. What it says for people goes to standard error. */
export async function operate(
  env: NodeJS.ProcessEnv,
  command: string,
  ...args: readonly string[]
): Promise<Ended> {
  const child = spawn(process.execPath, [join(ROOT, "ops", "cli.ts"), command, ...args], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let stdout = "";
  const json = args.includes("--json");
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    if (!json) process.stderr.write(chunk);
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve(status ?? exit.failed));
  });
  return { code, stdout };
}

/** @throws OpsError when the command fails */
export async function mustOperate(
  env: NodeJS.ProcessEnv,
  command: string,
  ...args: readonly string[]
): Promise<string> {
  const { code, stdout } = await operate(env, command, ...args);
  if (code === exit.ok) return stdout;
  throw new OpsError(
    `npm run ${command} -- ${args.join(" ")} ended with code ${code}.`,
    "The reasons are above.",
    code,
  );
}

/** What a restore has brought. */
export interface Brought {
  readonly backup: BackupView;
  /** The last change that it has. */
  readonly until: string;
  readonly tables: number;
  readonly rows: number;
}

const PAUSE_MS = 2000;

/**
 * Puts all that there is in place of the stack's data, and then the newest of the copies of Redis that were brought. The room
 * may be at a backup of its own first. @throws OpsError
 */
export async function restoreAll(
  env: NodeJS.ProcessEnv,
  stack: string,
  brought: readonly string[],
): Promise<Brought> {
  const restored = await restoreOne(env, stack, "--latest");
  await restoreRedis(env, stack, brought);
  return restored;
}

/** The newest of the copies of Redis that were brought, where there is one and the stack runs Redis itself. @throws OpsError */
export async function restoreRedis(
  env: NodeJS.ProcessEnv,
  stack: string,
  brought: readonly string[],
): Promise<void> {
  const { config } = readSettings(ROOT, stack);
  // Copies may be there from before others took Redis over.
  const isOwn = !externalServers(config).some(({ workload }) => workload === "redis");
  const redis = (isOwn ? brought : [])
    .filter((id) => id.startsWith("redis-"))
    .sort()
    .at(-1);
  if (redis !== undefined) await restoreOne(env, stack, "--redis", "--id", redis);
}

async function restoreOne(
  env: NodeJS.ProcessEnv,
  stack: string,
  ...which: readonly string[]
): Promise<Brought> {
  const deadline = Date.now() + PATIENCE * 1000;
  for (;;) {
    const args = ["--stack", stack, ...which, "--replace", "--yes", "--json"];
    const { code, stdout } = await operate(env, "restore", ...args);
    if (code === exit.ok) return JSON.parse(stdout.slice(stdout.lastIndexOf("\n{") + 1)) as Brought;
    if (code !== exit.locked || Date.now() > deadline)
      throw new OpsError(
        `The restore into stack ${stack} ended with code ${code}.`,
        "The reasons are above.",
        code,
      );
    note("  waiting for the backup room");
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
