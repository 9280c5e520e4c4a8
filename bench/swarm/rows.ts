/** Pure functions that make the rows of the report: each figure of the stack in all runs, and below it the same of plain Docker. */
import { BACK_SECONDS } from "../../test/support/swarm/clients.ts";
import type { Row } from "../report.ts";
import { SILENCE_SECONDS } from "../resilience/judge.ts";
import type { Figures } from "../resilience/measure.ts";
import type { Result } from "../resilience/scenario.ts";

export interface Played {
  readonly isPlanned: boolean;
  /** What the stack did, and what plain Docker did, a result for each run; empty where it was not played. */
  readonly stack: readonly Result[];
  readonly plain: readonly Result[];
}

interface Quantity {
  readonly what: string;
  readonly unit: string;
  readonly of: (figures: Figures) => number;
  /** What the stack promises. */
  readonly limit?: number;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const quantities = (isPlanned: boolean): readonly Quantity[] => [
  { what: "failed requests", unit: "", of: ({ failed }) => sum(failed), ...(isPlanned ? { limit: 0 } : {}) },
  ...(isPlanned
    ? []
    : [{ what: "last failed request", unit: "s after", of: lastFailureOf, limit: BACK_SECONDS }]),
  { what: "acknowledged rows and events lost, doubled or out of order", unit: "", of: wrongOf, limit: 0 },
  {
    what: "longest silence of a stream",
    unit: "s",
    of: ({ longestSilence }) => longestSilence,
    ...(isPlanned ? { limit: SILENCE_SECONDS } : {}),
  },
];

const lastFailureOf = ({ lastFailure }: Figures): number => lastFailure;
const wrongOf = (figures: Figures): number =>
  sum([figures.rowsMissing, figures.rowsDoubled]) +
  sum([figures.eventsLost, figures.eventsDoubled, figures.eventsDisordered, figures.resets]);

const failedOf = ({ figures }: Result): number => (figures === undefined ? Infinity : sum(figures.failed));
/** The one that tells most: one that has no figures, or in which most requests failed. */
const worst = (results: readonly Result[]): Result | undefined =>
  results.reduce<Result | undefined>(
    (found, one) => (found === undefined || failedOf(one) > failedOf(found) ? one : found),
    undefined,
  );

/** Of what was sent, how it went, and what failed mostly: said once for each scenario, of the worst run. */
const detailOf = ({ figures, error, notRun, seconds }: Result): string =>
  (figures === undefined
    ? [error ?? notRun ?? ""]
    : [
        `of ${sum(figures.sent)} requests`,
        `in ${(seconds ?? NaN).toFixed(0)} s`,
        ...figures.reasons.slice(0, 1),
      ]
  )
    .join("; ")
    .replaceAll("|", "\\|")
    .replace(/\s*\n\s*/g, " ")
    .slice(0, 300);

export function rowsOf(all: readonly Played[]): Row[] {
  return all.flatMap(({ isPlanned, stack, plain }) =>
    quantities(isPlanned).flatMap(({ what, unit, of, limit }, index) => {
      const row = (results: readonly Result[], by: string, promise?: number): Row[] => {
        const shown = worst(results);
        if (shown === undefined) return [];
        return [
          {
            what: `${shown.what}${by}: ${what}`,
            unit,
            values: results.map(({ figures }) => (figures === undefined ? NaN : of(figures))),
            ...(promise === undefined ? {} : { limit: promise }),
            ...(index === 0 ? { detail: detailOf(shown) } : {}),
          },
        ];
      };
      return [...row(stack, "", limit), ...row(plain, ", plain Docker")];
    }),
  );
}
