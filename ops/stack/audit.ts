/**
 * Who changed what: one line of JSON in .state/audit for every change of a stack, also for one that failed or was killed.
 * The file belongs to this machine: a change that was made elsewhere is in the file of that machine.
 */
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimes,
  writeFileSync,
} from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { isAlive } from "../../tools/host/process.mjs";
import type { Values } from "./config-files.ts";

/** What serves after a change that went well, and everything that is needed to come back to it. */
export interface Version {
  /** The content hash of the service's sources, and the tag of its image. */
  readonly build: string;
  readonly imageId: string;
  /** `config:` of the stack's file, as it was; secrets in it are encrypted. */
  readonly config: Values;
}

export type Result = "succeeded" | "failed" | "interrupted" | "killed";

/** One change. */
export interface Change {
  /** When it began, ISO 8601. */
  readonly time: string;
  readonly action: string;
  /** user@host */
  readonly who: string;
  /** The service's build, or "on" and "off" for maintenance; undefined when nothing was there. */
  readonly from?: string;
  readonly to?: string;
  readonly result: Result;
  readonly seconds: number;
  /** The first line of the reason why it failed. */
  readonly reason?: string;
  /** Only when a version was deployed and is healthy. */
  readonly version?: Version;
}

/** In bytes. A longer file is renamed to `.1`, and replaces the one that was renamed before. */
const LONGEST = 1024 * 1024;

const folderOf = (stateDir: string): string => join(stateDir, "audit");
const fileOf = (stateDir: string, stack: string): string => join(folderOf(stateDir), `${stack}.jsonl`);

/** The changes of a stack, oldest first. A line that a kill cut off is left out. */
export function readChanges(stateDir: string, stack: string): Change[] {
  const file = fileOf(stateDir, stack);
  return [`${file}.1`, file].flatMap((one) => {
    if (!existsSync(one)) return [];
    return readFileSync(one, "utf8")
      .split("\n")
      .flatMap((line) => {
        try {
          return line === "" ? [] : [JSON.parse(line) as Change];
        } catch {
          return [];
        }
      });
  });
}

/** Pure: the build that serves, as far as these changes tell; undefined after `down`. */
export function servingBuild(changes: readonly Change[]): string | undefined {
  const last = changes.findLast(
    ({ version, action, result }) => version !== undefined || (action === "down" && result === "succeeded"),
  );
  return last?.version?.build;
}

/** Every stack that has changes here. */
export function auditedStacks(stateDir: string): string[] {
  if (!existsSync(folderOf(stateDir))) return [];
  return readdirSync(folderOf(stateDir))
    .map((name) => /^([^.]+)\.jsonl$/.exec(name)?.[1])
    .filter((name) => name !== undefined);
}

function append(stateDir: string, stack: string, change: Change): void {
  const file = fileOf(stateDir, stack);
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LONGEST) renameSync(file, `${file}.1`);
  appendFileSync(file, `${JSON.stringify(change)}\n`, { mode: 0o600 });
}

const who = (): string => `${process.env["SUDO_USER"] ?? userInfo().username}@${hostname()}`;

/** A change that is under way. Until it ends it has a file of its own, from which a later run records it after a kill. */
export class Audit {
  readonly #stateDir: string;
  readonly #stack: string;
  readonly #open: string;
  #change: Change;
  #ended = false;
  readonly #beat: NodeJS.Timeout;

  constructor(stateDir: string, stack: string, action: string) {
    this.#stateDir = stateDir;
    this.#stack = stack;
    mkdirSync(folderOf(stateDir), { recursive: true, mode: 0o700 });
    closeKilled(stateDir, stack);
    const id = `${process.pid}-${randomBytes(3).toString("hex")}`;
    this.#open = join(folderOf(stateDir), `${stack}.${id}.open`);
    this.#change = { time: new Date().toISOString(), action, who: who(), result: "killed", seconds: 0 };
    this.note({});
    // The file's modification time says later how long the change had gone on when its process was killed.
    this.#beat = setInterval(() => {
      const now = new Date();
      utimes(this.#open, now, now, () => undefined);
    }, 1000).unref();
  }

  /** Adds what is known by now. */
  note(facts: Pick<Change, "from" | "to" | "version">): void {
    this.#change = { ...this.#change, ...facts };
    writeFileSync(this.#open, JSON.stringify(this.#change), { mode: 0o600 });
  }

  /** Writes the line; only the first call counts. */
  end(result: Result, reason?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#beat);
    const { version, ...change } = this.#change;
    append(this.#stateDir, this.#stack, {
      ...change,
      result,
      seconds: secondsSince(change.time, Date.now()),
      ...(reason === undefined ? {} : { reason: reason.split("\n")[0] }),
      ...(result === "succeeded" && version !== undefined ? { version } : {}),
    });
    rmSync(this.#open, { force: true });
  }
}

const secondsSince = (time: string, now: number): number =>
  Math.round((now - new Date(time).getTime()) / 100) / 10;

/** Writes the lines of changes whose process died before it could. */
export function closeKilled(stateDir: string, stack: string): void {
  if (!existsSync(folderOf(stateDir))) return;
  for (const name of readdirSync(folderOf(stateDir))) {
    const [, owner, pid] = /^([^.]+)\.(\d+)-[0-9a-f]+\.open$/.exec(name) ?? [];
    if (owner !== stack || isAlive(Number(pid))) continue;
    const file = join(folderOf(stateDir), name);
    try {
      const { version: _, ...change } = JSON.parse(readFileSync(file, "utf8")) as Change;
      const seconds = secondsSince(change.time, statSync(file).mtimeMs);
      append(stateDir, stack, { ...change, seconds, reason: "its process was killed" });
    } catch {
      // It was killed while it wrote the file, so nothing is known about the change.
    }
    rmSync(file, { force: true });
  }
}
