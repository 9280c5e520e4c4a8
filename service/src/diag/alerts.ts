/** Which alerts fire, as each vmalert says it: they judge the rules, and their API can be read only. */
import { z } from "zod";
import { askJson } from "../platform/ask-json.ts";

const limits = { deadlineMs: 800, maxBytes: 524_288 };
/** More would be read by nobody; `npm run alerts` has them all. */
const MOST = 20;
/** Fires always: without it no rule is judged, and silence means nothing. */
const WATCHDOG = "Watchdog";

/** `/api/v1/alerts` of vmalert, whose shape is Prometheus'. What it says beside is passed over. */
const answerSchema = z.object({
  data: z.object({
    alerts: z.array(
      z.object({
        state: z.string(),
        name: z.string(),
        activeAt: z.string(),
        // Go leaves an empty map out, or writes null.
        labels: z.record(z.string(), z.string()).default({}),
        annotations: z.record(z.string(), z.string()).nullable(),
      }),
    ),
  }),
});

export const alertsDiagSchema = z.strictObject({
  status: z
    .enum(["pass", "warn", "fail", "unknown", "absent"])
    .describe(
      "fail: a critical one fires. absent: nobody watches this stack. unknown: some rule is not judged.",
    ),
  count: z.int().optional().describe("How many fire."),
  firing: z
    .array(
      z.strictObject({
        name: z.string(),
        severity: z.string(),
        summary: z.string(),
        runbook: z.string().optional().describe("Where the sources say what to do."),
        since: z.string(),
      }),
    )
    .optional()
    .describe(`The critical ones first, at most ${MOST}; silenced ones too.`),
});

export type AlertsDiag = z.output<typeof alertsDiagSchema>;

/**
 * One that does not answer makes the whole unknown: nobody knows what its rules would say.
 * @param urls of each vmalert's alerts; none for a stack that is not watched.
 */
export async function alertsDiag(urls: readonly string[]): Promise<AlertsDiag> {
  if (urls.length === 0) return { status: "absent" };
  try {
    const answers = await Promise.all(
      urls.map(async (url) => answerSchema.parse(await askJson(url, limits)).data.alerts),
    );
    const all = answers.flat().filter(({ state }) => state === "firing");
    if (!all.some(({ name }) => name === WATCHDOG)) return { status: "unknown" };
    const firing = all
      .filter(({ labels }) => labels["severity"] !== "none")
      .map(({ name, labels, annotations, activeAt }) => ({
        name,
        severity: labels["severity"] ?? "warning",
        summary: annotations?.["summary"] ?? name,
        runbook: annotations?.["runbook"],
        since: activeAt,
      }))
      .sort((a, b) => Number(b.severity === "critical") - Number(a.severity === "critical"));
    const status = firing.length === 0 ? "pass" : firing[0]?.severity === "critical" ? "fail" : "warn";
    return { status, count: firing.length, firing: firing.slice(0, MOST) };
  } catch {
    return { status: "unknown" };
  }
}
