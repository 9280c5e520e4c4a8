/** Draws one SVG chart of all scenarios: each has its own strip, and all share one time scale. */
import type { Result } from "./scenario.ts";

const WIDTH = 980;
const LEFT = 190;
const STRIP = 74;
const GAP = 26;

const escape = (text: string): string => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

export function renderChart(results: readonly Result[]): string {
  const drawn = results.filter(({ timeline }) => timeline !== undefined);
  const from = Math.min(...drawn.map(({ timeline }) => timeline?.from ?? 0));
  const to = Math.max(
    ...drawn.map(({ timeline }) => (timeline?.from ?? 0) + (timeline?.answered.length ?? 0)),
  );
  const x = (second: number): number =>
    LEFT + ((second - from) / Math.max(1, to - from)) * (WIDTH - LEFT - 16);
  const parts: string[] = [];
  const legend: readonly (readonly [string, string])[] = [
    ["requests answered a second", "#4a7ab5"],
    ["requests failed a second", "#c43c39"],
    ["open streams", "#3a8f5c"],
    ["healthy replicas", "#8a5aa8"],
  ];
  legend.forEach(([label, colour], index) => {
    parts.push(`<rect x="${LEFT + index * 195}" y="10" width="12" height="12" fill="${colour}"/>`);
    parts.push(`<text x="${LEFT + 17 + index * 195}" y="20">${label}</text>`);
  });
  let y = 40;
  for (const { name, timeline, load } of drawn) {
    if (timeline === undefined) continue;
    const base = y + STRIP;
    const perSecond = load.rate + load.events;
    const line = (values: readonly number[], most: number, colour: string): string => {
      const points = values.map(
        (value, index) =>
          `${x(timeline.from + index).toFixed(1)},${(base - Math.min(1.1, value / most) * (STRIP - 10)).toFixed(1)}`,
      );
      return `<polyline fill="none" stroke="${colour}" stroke-width="1.4" points="${points.join(" ")}"/>`;
    };
    const end = x(timeline.from + timeline.answered.length - 1);
    parts.push(
      `<rect x="${x(0).toFixed(1)}" y="${y}" width="${Math.max(1, x(timeline.until) - x(0)).toFixed(1)}" height="${STRIP}" fill="#f4ecd8"/>`,
      `<line x1="${LEFT}" y1="${base}" x2="${end.toFixed(1)}" y2="${base}" stroke="#999"/>`,
      `<text x="8" y="${y + 30}" font-weight="bold">${escape(name)}</text>`,
      `<text x="8" y="${y + 48}" fill="#666">${Math.max(...timeline.replicas)} replicas at most</text>`,
      line(timeline.streams, load.streams, "#3a8f5c"),
      line(timeline.replicas, 4, "#8a5aa8"),
      line(timeline.answered, perSecond, "#4a7ab5"),
    );
    timeline.failed.forEach((value, index) => {
      if (value === 0) return;
      const height = Math.max(3, Math.min(1.1, value / perSecond) * (STRIP - 10));
      const left = x(timeline.from + index);
      parts.push(
        `<rect x="${left.toFixed(1)}" y="${(base - height).toFixed(1)}" width="2" height="${height.toFixed(1)}" fill="#c43c39"/>`,
      );
    });
    y = base + GAP;
  }
  for (let second = Math.ceil(from / 30) * 30; second <= to; second += 30)
    parts.push(
      `<text x="${x(second).toFixed(1)}" y="${y - 4}" text-anchor="middle" fill="#666">${second} s</text>`,
    );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 10}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>\n`;
}
