/** Runs the health checks again and again, and keeps their latest results. */
import { between, reasonOf, withDeadline } from "../platform/deadline.ts";
import type { Logger } from "../platform/logging.ts";

export type Status = "pass" | "warn" | "fail";

export interface Check {
  readonly name: string;
  /** What is measured, as in `database:responseTime`. */
  readonly measurement: string;
  readonly componentType: "component" | "datastore" | "system";
  /** Rejects, or says so, when the check fails. It may say "warn", and what it observed instead of how long it took. */
  readonly run: () => Promise<{ status?: Status; value?: number; unit?: string; note?: string }>;
}

export interface CheckResult {
  readonly componentType: Check["componentType"];
  readonly status: Status;
  readonly observedValue: number;
  readonly observedUnit: string;
  readonly time: string;
  readonly output?: string;
}

interface Watched {
  readonly check: Check;
  result: CheckResult | undefined;
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/** How many failures in a row make a check fail that passed before: one slow answer is not an outage. */
const TOLERANCE = 2;

/**
 * Runs each check by itself, again and again, and keeps its latest result, which is all that a probe reads. So probes are
 * cheap and never wait, and PostgreSQL and Redis get a bounded number of questions. The intervals are random, so that the
 * replicas do not all ask at the same time.
 */
export class Checks {
  readonly #watched: readonly Watched[];
  readonly #options: { deadlineMs: number; intervalMs: number; optional: readonly string[] };
  readonly #logger: Logger;
  #isStopped = false;

  constructor(
    checks: readonly Check[],
    options: { deadlineMs: number; intervalMs: number; optional: readonly string[] },
    logger: Logger,
  ) {
    this.#watched = checks.map((check) => ({ check, result: undefined, failures: 0, timer: undefined }));
    this.#options = options;
    this.#logger = logger;
  }

  start(): void {
    for (const watched of this.#watched) void this.#repeat(watched);
  }

  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#watched) clearTimeout(timer);
  }

  /** The worst of all checks. One that fails or has not run yet is "fail" when it is critical, and "warn" when optional. */
  get status(): Status {
    let worst: Status = "pass";
    for (const { check, result } of this.#watched) {
      const status = result?.status ?? "fail";
      if (status === "fail" && !this.#options.optional.includes(check.name)) return "fail";
      if (status !== "pass") worst = "warn";
    }
    return worst;
  }

  get results(): Readonly<Record<string, readonly CheckResult[]>> {
    return Object.fromEntries(
      this.#watched.map(({ check, result }) => [
        `${check.name}:${check.measurement}`,
        result ? [result] : [],
      ]),
    );
  }

  async #repeat(watched: Watched): Promise<void> {
    await this.#runOnce(watched);
    if (this.#isStopped) return;
    const { intervalMs } = this.#options;
    // A check that fails runs again sooner, so that a recovery shows soon.
    const ms = between(0.5, 1.5) * (watched.failures > 0 ? Math.min(700, intervalMs) : intervalMs);
    watched.timer = setTimeout(() => void this.#repeat(watched), ms);
    watched.timer.unref();
  }

  async #runOnce(watched: Watched): Promise<void> {
    const { check } = watched;
    const started = performance.now();
    const finish = (status: Status, value: number, unit: string, output?: string): void => {
      const before = watched.result?.status;
      const time = new Date().toISOString();
      watched.result = {
        componentType: check.componentType,
        status,
        observedValue: value,
        observedUnit: unit,
        time,
        output,
      };
      if (before !== status) {
        const line = { check: check.name, status, before, output };
        if (status === "fail") this.#logger.warn(line, "check changed");
        else this.#logger.info(line, "check changed");
      }
    };
    const failure = (): Status => {
      watched.failures++;
      const isTolerated =
        watched.failures < TOLERANCE && watched.result !== undefined && watched.result.status !== "fail";
      return isTolerated ? "warn" : "fail";
    };
    try {
      const { deadlineMs } = this.#options;
      const { status = "pass", value, unit, note } = await withDeadline(check.name, deadlineMs, check.run());
      const ms = Math.round((performance.now() - started) * 10) / 10;
      if (status !== "fail") watched.failures = 0;
      finish(status === "fail" ? failure() : status, value ?? ms, unit ?? "ms", note);
    } catch (error) {
      finish(failure(), Math.round(performance.now() - started), "ms", reasonOf(error));
    }
  }
}
