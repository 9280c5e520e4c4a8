/** Waits for the backup room of a stack, whose own first backups would be measured otherwise. */
import type { TestStack } from "../../test/support/stack.ts";

/** Until the room has no run of its own under way. */
export async function settle(stack: TestStack): Promise<void> {
  for (const end = Date.now() + 180_000; Date.now() < end;) {
    const { code, stdout } = await stack.run("backup", "list", "--json");
    if (code === 0) {
      const { running, backups } = JSON.parse(stdout) as {
        running: unknown;
        backups: readonly { readonly state: string }[];
      };
      if (running === null && backups.filter(({ state }) => state === "verified").length >= 3) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  throw new Error("the backup room does not come to rest");
}
