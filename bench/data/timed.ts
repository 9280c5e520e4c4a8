/** Runs a verb of the backup room and notes when it said what: how long each of its steps took. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseEvent, type RoomEvent } from "../../ops/engine/backup-room.ts";

export interface Step {
  readonly text: string;
  readonly seconds: number;
}

export interface Timed {
  readonly steps: readonly Step[];
  /** From the first step to the end. */
  readonly seconds: number;
  readonly last: RoomEvent;
}

/** @param room the room's container. @throws Error with what the room said, when it did not succeed */
export const timed = (room: string, ...args: string[]): Promise<Timed> =>
  timedPython(room, "-m", "room", ...args);

/** The same for a script that says what it does as the room's verbs do. */
export async function timedPython(room: string, ...args: string[]): Promise<Timed> {
  const child = spawn("docker", ["exec", room, "python3", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const marks: { text: string; at: number }[] = [];
  let last: RoomEvent | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = parseEvent(line);
    if (event === undefined) continue;
    last = event;
    if (event.event === "step") marks.push({ text: event.text, at: performance.now() });
  }
  const end = performance.now();
  if (last?.event !== "done") throw new Error(`python3 ${args.join(" ")}: ${JSON.stringify(last)}`);
  const steps = marks.map(({ text, at }, index) => ({
    text,
    seconds: ((marks[index + 1]?.at ?? end) - at) / 1000,
  }));
  return { steps, seconds: (end - (marks[0]?.at ?? end)) / 1000, last };
}

/** The seconds of the steps whose text fits. */
export const secondsOf = ({ steps }: Timed, pattern: RegExp): number =>
  steps.filter(({ text }) => pattern.test(text)).reduce((sum, { seconds }) => sum + seconds, 0);
