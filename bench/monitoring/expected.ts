/** Which alerts each scenario of bench:resilience is to raise, and which it may raise beside. */

export interface Expected {
  /** Raised within two minutes. */
  readonly own: readonly string[];
  /** True of what visitors noticed meanwhile: not false, and not always there. */
  readonly also?: readonly string[];
}

const NOTICED = ["ErrorBudgetBurn", "RequestsUnanswered"];
const failed: Expected = { own: ["DeployFailed"] };
const restarted: Expected = { own: ["ContainerRestarted"], also: NOTICED };

/** By the scenario's name; one that is not here raises nothing. */
export const expected: Readonly<Record<string, Expected>> = {
  // What the operator began went wrong.
  crash: failed,
  hangs: failed,
  "never-ready": failed,
  migration: failed,
  "edge-config-error": failed,
  // What heals by itself is told.
  "kill-replica": restarted,
  hang: restarted,
  memory: { own: ["ContainerOutOfMemory"], also: ["ContainerRestarted"] },
  "redis-kill": restarted,
  "postgres-kill": restarted,
  "postgres-pause": { own: ["ContainerPaused"], also: NOTICED },
  // Each pause is over before a pause is told of.
  "postgres-pauses": { own: [], also: NOTICED },
  "disk-full": { own: ["NoSpaceLeft"], also: [...NOTICED, "ContainerRestarted", "ContainerDown"] },
  // All containers stop, the monitoring among them: it tells of what it finds when it is back.
  "start-order": { own: ["ContainerRestarted"], also: [...NOTICED, "ContainerDown", "ReadinessFailing"] },
  engine: { own: ["ContainerRestarted"], also: [...NOTICED, "ContainerDown", "ReadinessFailing"] },
};

/** Pure: what is wrong with what was told during a scenario. @param told each alert with its seconds after the act began */
export function judgeAlerts(
  scenario: string,
  told: readonly { readonly name: string; readonly seconds: number }[],
): { readonly late: readonly string[]; readonly wrong: readonly string[] } {
  const { own, also = [] } = expected[scenario] ?? { own: [] };
  const inTime = new Set(told.filter(({ seconds }) => seconds <= 120).map(({ name }) => name));
  return {
    late: own.filter((name) => !inTime.has(name)),
    wrong: [...new Set(told.map(({ name }) => name))].filter(
      (name) => !own.includes(name) && !also.includes(name),
    ),
  };
}
