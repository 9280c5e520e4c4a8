/** The backups that a stack's room takes by itself, which nobody asks for: while it is at work, it refuses a command. */
import { eventually } from "./http.ts";
import type { TestStack } from "./stack.ts";

/** So long may the room's own run last, in seconds. */
const LONGEST = 240;

/**
 * Waits until the room of a stack has so many verified backups and is not at work.
 * @param least default: however many.
 */
export async function untilAtRest(stack: TestStack, least = 0): Promise<void> {
  await eventually("the room's own backups", LONGEST, async () => {
    const { code, stdout, output } = await stack.run("backup", "list", "--json");
    if (code !== 0) throw new Error(output);
    const { running, verified } = JSON.parse(stdout) as { running: unknown; verified: number };
    return running === null && verified >= least;
  });
}
