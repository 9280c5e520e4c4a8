/** The record of an engine that was started here. Only that engine is ever stopped here. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { writeWhole } from "../../host/file.mjs";
import { bootId, nameOf, startTimeOf } from "../../host/process.mjs";

export interface EngineRecord {
  readonly pid: number;
  /** The process's start time from /proc, which tells it from a later process with the same pid. */
  readonly startTime: string;
  readonly boot: string;
  /** The address it serves. */
  readonly host: string;
  /** Who started it: this program, or the machine's init system when this program asked for it. */
  readonly starter: Starter;
  readonly log?: string;
}

export type Starter = "direct" | "systemd" | "openrc" | "sysv";

/** What is known now about the process with the recorded pid. */
export interface ProcessFacts {
  readonly boot: string;
  readonly startTime: string | undefined;
  readonly name: string | undefined;
}

export function factsOf(pid: number): ProcessFacts {
  return { boot: bootId(), startTime: startTimeOf(pid), name: nameOf(pid) };
}

/** True when the recorded process still runs: the same boot, the same start time, and still an engine. */
export function isSameProcess(record: EngineRecord, now: ProcessFacts): boolean {
  return record.boot === now.boot && record.startTime === now.startTime && now.name === "dockerd";
}

export function recordOf(
  pid: number,
  host: string,
  starter: Starter,
  log?: string,
): EngineRecord | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime, boot: bootId(), host, starter, log };
}

/** The record. Undefined where there is none, or one that is not complete. */
export function readRecord(path: string): EngineRecord | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  return parseRecord(text);
}

export function parseRecord(text: string): EngineRecord | undefined {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof said !== "object" || said === null) return undefined;
  const field = (name: string): unknown => Object.getOwnPropertyDescriptor(said, name)?.value;
  const [pid, startTime, boot, host, starter, log] = [
    field("pid"),
    field("startTime"),
    field("boot"),
    field("host"),
    field("starter"),
    field("log"),
  ];
  if (typeof pid !== "number" || !Number.isInteger(pid) || pid <= 1) return undefined;
  if (typeof startTime !== "string" || typeof boot !== "string" || typeof host !== "string") return undefined;
  if (starter !== "direct" && starter !== "systemd" && starter !== "openrc" && starter !== "sysv")
    return undefined;
  return { pid, startTime, boot, host, starter, log: typeof log === "string" ? log : undefined };
}

export function writeRecord(path: string, record: EngineRecord): void {
  mkdirSync(dirname(path), { recursive: true });
  writeWhole(path, `${JSON.stringify(record, null, 2)}\n`);
}

export function removeRecord(path: string): void {
  rmSync(path, { force: true });
}
