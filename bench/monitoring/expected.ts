/** Which alerts each scenario of bench:resilience is to raise. Any other one is false. */

/** An alert by its name, or as "name of workload" where only that workload's is meant. */
type Alert = string;

export interface Expected {
  /** Raised within two minutes. */
  readonly own: readonly Alert[];
  /** One of these is raised within two minutes: which one depends on what the monitoring could see of the fault. */
  readonly oneOf?: readonly Alert[];
  /** The fault is that a command failed, so what is to be told begins with the end of the first that did; default: with the beginning of the act. */
  readonly fromEnd?: true;
  /** True of the same fault, but whether it is seen depends on when the fault meets the looks of the monitoring. */
  readonly perhaps?: readonly Alert[];
}

/** What was told during a scenario. */
export interface Told {
  readonly name: string;
  /** Of the container that it is about, where it is about one. */
  readonly workload?: string | undefined;
  /** After the fault began. */
  readonly seconds: number;
}

/**
 * Of what visitors notice: the share of the requests that has to fail before each is true, by its rule. Where the load has
 * seen fewer failures it is false, whatever the scenario.
 */
const noticed: Readonly<Record<string, number>> = { ErrorBudgetBurn: 0.0144, RequestsUnanswered: 0.01 };

const failed: Expected = { own: ["DeployFailed"], fromEnd: true };
const restarted = (workload: string): Expected => ({ own: [`ContainerRestarted of ${workload}`] });

/** What start-order stops. */
const STOPPED = ["edge", "backend", "redis", "postgres"];

/** By the scenario's name; one that is not here raises nothing. */
export const expected: Readonly<Record<string, Expected>> = {
  // What the operator began went wrong.
  crash: failed,
  hangs: failed,
  "never-ready": failed,
  migration: failed,
  "edge-config-error": failed,
  // What heals by itself is told.
  "kill-replica": restarted("backend"),
  // Its program notices, says so as its last line and ends: that is told, and that it was started anew is not told as well.
  hang: { own: ["FatalLogged of backend"] },
  // The memory is full within a second or two: a look every ten seconds may find it so, or may not.
  memory: { own: [], oneOf: ["ContainerOutOfMemory of backend", "ContainerRestarted of backend"] },
  "redis-kill": restarted("redis"),
  "postgres-kill": restarted("postgres"),
  // What waits for a server that does not answer is slow too, before it is refused.
  "postgres-pause": {
    own: ["ContainerPaused of postgres", "ErrorBudgetBurn"],
    perhaps: ["LatencyBudgetBurn"],
  },
  // A pause of 4 s may fall between two looks; that requests fail is seen.
  "postgres-pauses": {
    own: ["ErrorBudgetBurn"],
    perhaps: ["ContainerPaused of postgres", "LatencyBudgetBurn"],
  },
  "disk-full": { own: ["NoSpaceLeft of postgres", "ErrorBudgetBurn"], perhaps: ["LatencyBudgetBurn"] },
  // The edge is down the longest, because it is stopped first; it may be for longer than an alert waits.
  "start-order": {
    own: STOPPED.map((workload) => `ContainerRestarted of ${workload}`),
    perhaps: STOPPED.map((workload) => `ContainerDown of ${workload}`),
  },
  engine: { own: ["ContainerRestarted"] },
};

/** Pure: whether what was told is what is meant. */
const isMeant = ({ name, workload }: Told, alert: Alert): boolean =>
  alert === name || alert === `${name} of ${workload ?? ""}`;

const describe = ({ name, workload }: Told): string =>
  workload === undefined ? name : `${name} of ${workload}`;

/**
 * Pure: what is wrong with what was told during a scenario.
 * @param failedShare of the load's requests, 0 to 1.
 */
export function judgeAlerts(
  scenario: string,
  told: readonly Told[],
  failedShare: number,
): { readonly late: readonly string[]; readonly wrong: readonly string[] } {
  const { own, oneOf = [], perhaps = [] } = expected[scenario] ?? { own: [] };
  const inTime = (alert: Alert): boolean => told.some((one) => one.seconds <= 120 && isMeant(one, alert));
  const isTrue = (one: Told): boolean =>
    [...own, ...oneOf, ...perhaps].some((alert) => isMeant(one, alert)) ||
    failedShare > (noticed[one.name] ?? 1);
  return {
    late: [
      ...own.filter((alert) => !inTime(alert)),
      ...(oneOf.length > 0 && !oneOf.some(inTime) ? [oneOf.join(" or ")] : []),
    ],
    wrong: [...new Set(told.filter((one) => !isTrue(one)).map(describe))],
  };
}
