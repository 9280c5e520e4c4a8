/** How fresh the backups are, as the backup room says it. */
import { z } from "zod";
import { askJson } from "../platform/ask-json.ts";

const limits = { deadlineMs: 800, maxBytes: 65_536 };

const shape = {
  problems: z.array(z.string()).describe("What is wrong, in sentences."),
  newest: z
    .array(z.object({ kind: z.string(), id: z.string(), at: z.string(), ageSeconds: z.int() }))
    .describe("The newest backup of each kind that was proved by restoring it."),
  walLagSeconds: z
    .int()
    .nullable()
    .describe(
      "How old the oldest change is that is not in the backup room yet; null where others run PostgreSQL.",
    ),
  freeBytes: z.int().describe("What the volume of the backups has left."),
  at: z.string().describe("When the room looked."),
};

/** What the room answers. What a newer one says beside is passed over. */
const roomSchema = z.object({ healthy: z.boolean(), ...shape });

export const backupsDiagSchema = z.strictObject({
  status: z
    .enum(["pass", "fail", "unknown", "absent"])
    .describe("absent: this stack has no backup room. unknown: it does not answer."),
  ...z.object(shape).partial().shape,
});

export type BackupsDiag = z.output<typeof backupsDiagSchema>;

/** @param url where the room says it; undefined without a room. */
export async function backupsDiag(url: string | undefined): Promise<BackupsDiag> {
  if (url === undefined) return { status: "absent" };
  try {
    const { healthy, ...more } = roomSchema.parse(await askJson(url, limits));
    return { status: healthy ? "pass" : "fail", ...more };
  } catch {
    return { status: "unknown" };
  }
}
