/** One verdict on the replica, with its reasons. */
import type { CheckResult } from "../health/checks.ts";
import type { ProviderState } from "../providers/monitor.ts";
import type { RedisDiag } from "./diag.ts";
import type { Summary } from "./schema.ts";

export interface SummaryInput {
  readonly isDraining: boolean;
  readonly results: Readonly<Record<string, readonly CheckResult[]>>;
  readonly optional: readonly string[];
  readonly redis: RedisDiag;
  readonly providers: readonly ProviderState[];
}

type Reason = Summary["reasons"][number];

const verdicts = {
  pass: "All is well.",
  warn: "It serves, but something needs attention.",
  fail: "It does not take requests.",
} as const;

/** One verdict and its reasons, the worst first. */
export function summarise(input: SummaryInput): Pick<Summary, "status" | "verdict" | "reasons"> {
  const reasons: Reason[] = [];
  const add = (component: string, status: Reason["status"], detail?: string): void =>
    void reasons.push({ component, status, detail });
  if (input.isDraining) add("replica", "fail", "it is stopping");
  for (const [key, [result]] of Object.entries(input.results)) {
    const component = key.split(":")[0] ?? key;
    const status = result?.status ?? "fail";
    if (status === "pass") continue;
    const isOptional = input.optional.includes(component);
    add(component, isOptional ? "warn" : status, result ? result.output : "not checked yet");
  }
  const { persistence } = input.redis;
  if (persistence && !persistence.appendOnly)
    add("redis persistence", "warn", "no append-only file: events can be lost");
  if (persistence && !persistence.lastWriteOk)
    add("redis persistence", "warn", "the last write to disk failed");
  for (const { name, status, reason } of input.providers) {
    if (status === "fail") add(`provider ${name}`, "warn", reason);
  }
  reasons.sort((a, b) => Number(b.status === "fail") - Number(a.status === "fail"));
  const status = reasons[0]?.status ?? "pass";
  return { status, verdict: verdicts[status], reasons };
}
