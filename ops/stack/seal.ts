/**
 * The stack's state and secrets for the day on which its machine is gone: handed to the backup room, which encrypts them
 * with the operator's key and sends them off-site with the backups.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOM_PROGRAM } from "../../infra/components/backup/image.ts";
import { parseEvent, roomIn } from "../engine/backup-room.ts";
import { listContainers } from "../engine/containers.ts";
import { execIn } from "../engine/exec.ts";
import { stackFilePath } from "./config-files.ts";
import type { StackHandle } from "./open-stack.ts";
import { ROOT, type Engine, type Place } from "./place.ts";
import { say, signals } from "./this-process.ts";
import { sourceBuild } from "./versions.ts";
import { OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";

export const SEALED_FORMAT = 1;

/** What is sealed. With it, a fresh clone and the bucket, the stack can be rebuilt. */
export interface SealedStack {
  readonly format: typeof SEALED_FORMAT;
  readonly stack: string;
  readonly project: string;
  /** ISO 8601. */
  readonly at: string;
  /** The build that served. */
  readonly build: string;
  /** Pulumi.<stack>.yaml with the salt of its secrets. */
  readonly stackFile: string;
  /** What decrypts the secrets; undefined where another secrets provider does. */
  readonly passphrase?: string;
  /** As `pulumi stack export` gives it; its secrets are encrypted with the passphrase. */
  readonly deployment: unknown;
}

type Sealing = Pick<Place, "stack" | "settings" | "backend"> &
  Pick<Engine, "docker"> & { readonly handle: StackHandle };

/** Whether the stack keeps copies off-site. */
export const isOffsite = ({ settings }: Pick<Place, "settings">): boolean =>
  (settings.config.offsiteBucket ?? "") !== "";

/** Seals the state as it is now. A failure is said and ends nothing: the stack itself is well. */
export async function sealState(session: Sealing): Promise<void> {
  if (!isOffsite(session)) return;
  signals.begin({ title: "sealing the stack's state for its copies off-site" });
  try {
    await seal(session);
  } catch (error) {
    say(
      `The stack's state is not among its copies off-site yet: ${(error as Error).message} ` +
        `${npmRun("backup", session.stack)} tries it again.`,
    );
  }
}

async function seal(session: Sealing): Promise<void> {
  const { docker, stack } = session;
  const room = roomIn(await listContainers(docker, stack));
  if (room === undefined) throw new OpsError("the backup room does not run.", "");
  const input = JSON.stringify(await contentOf(session));
  const { exitCode, output } = await execIn(docker, room, [...ROOM_PROGRAM, "seal"], { input });
  if (exitCode === 0) return;
  const last = output.trim().split("\n").map(parseEvent).at(-1);
  throw new OpsError(last?.event === "error" ? last.what : `the room gave up with code ${exitCode}.`, "");
}

async function contentOf({ stack, settings, backend, handle }: Sealing): Promise<SealedStack> {
  const exported = await handle.state.exportStack();
  return {
    format: SEALED_FORMAT,
    stack,
    project: settings.project,
    at: new Date().toISOString(),
    build: sourceBuild(ROOT, settings.config),
    stackFile: stackFileOf(backend.stateDir, stack),
    passphrase: passphraseOf({ ...process.env, ...backend.env }),
    deployment: exported.deployment as unknown,
  };
}

/** The local copy has this machine's salt, where the committed file has none. */
function stackFileOf(stateDir: string, stack: string): string {
  const [committed, local] = [
    stackFilePath(ROOT, stack),
    stackFilePath(join(stateDir, "project"), stack),
  ].map((path) => (existsSync(path) ? readFileSync(path, "utf8") : ""));
  return /^"?encryptionsalt/m.test(committed ?? "") || !local ? (committed ?? "") : local;
}

/** Pure but for the file that it names. */
function passphraseOf(env: NodeJS.ProcessEnv): string | undefined {
  const file = env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  if (env["PULUMI_CONFIG_PASSPHRASE"] !== undefined) return env["PULUMI_CONFIG_PASSPHRASE"];
  return file !== undefined && existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
