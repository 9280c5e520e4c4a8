/** The stack that grows: one with all that a stack in production has beside its service, its backups and its monitoring. */
import { createWatchedStack, tellTo, type WatchedStack } from "../monitoring/stack.ts";
import { settle } from "../data/settle.ts";

const standing = new Set<WatchedStack>();

/** Of all stacks that grow at the moment: for whoever ends the measurement before its time. */
export async function removeStanding(): Promise<void> {
  for (const one of standing) await one.remove();
}

/** @returns once its first backups are taken and proved, which would be measured otherwise */
export async function createGrowingStack(
  part: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<WatchedStack> {
  const created = await createWatchedStack(`growth-${part}-${process.pid}`, {
    backups: "always",
    ...config,
  });
  const watched: WatchedStack = {
    ...created,
    async remove() {
      standing.delete(watched);
      await created.remove();
    },
  };
  standing.add(watched);
  try {
    await settle(watched.stack);
    return watched;
  } catch (error) {
    await watched.remove();
    throw error;
  }
}

/** Deploys another config. @throws Error with what the command said */
export async function deploy(
  { stack, receiver }: WatchedStack,
  config: Record<string, unknown>,
): Promise<void> {
  stack.configure(config);
  // The file is written anew, without the secrets that were set in it.
  tellTo(stack, receiver);
  const { code, output } = await stack.run("up", "--yes");
  if (code !== 0) throw new Error(`up with ${JSON.stringify(config)} failed:\n${output}`);
}
