/** Pure: straight lines through measured points, for what was not measured. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** y = base + slope × x */
export interface Line {
  readonly base: number;
  readonly slope: number;
  /** The measured range of x. */
  readonly from: number;
  readonly to: number;
}

/**
 * Pure: the line with the least squared distance from all points; through the origin where there is one x only.
 * @throws Error without a point
 */
export function fitLine(points: readonly Point[]): Line {
  const [first] = points;
  if (first === undefined) throw new Error("a line takes a point at least");
  const all = points.map(({ x }) => x);
  const [from, to] = [Math.min(...all), Math.max(...all)];
  if (from === to) return { base: 0, slope: first.y / first.x, from, to };
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [middleX, middleY] = [mean(all), mean(points.map(({ y }) => y))];
  const slope =
    mean(points.map(({ x, y }) => (x - middleX) * (y - middleY))) / mean(all.map((x) => (x - middleX) ** 2));
  return { base: middleY - slope * middleX, slope, from, to };
}

/** Pure: y at x. */
export const at = ({ base, slope }: Line, x: number): number => base + slope * x;

/** Pure: whether x lies outside of what was measured. */
export const isExtrapolated = ({ from, to }: Line, x: number): boolean => x < from || x > to;
