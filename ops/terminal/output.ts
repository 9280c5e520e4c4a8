/** How text is written and laid out. Colours are used only on a terminal, and never with NO_COLOR. */
import { stripVTControlCharacters, styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** Text in a style, for the stream that it is meant for; plain text if that stream is no terminal. */
export const paint = (style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  styleText(style, text, { stream, validateStream: true });

/** True when the Pulumi CLI may colour what is passed on to the terminal. */
export const colourful = (): boolean => paint("red", "x") !== "x";

/** One line on standard output: what the person asked for. */
export const print = (line = ""): void => void process.stdout.write(`${line}\n`);

/** One line on standard error: what is going on. Standard output stays clean for results. */
export const note = (line = ""): void => void process.stderr.write(`${line}\n`);

/**
 * Resolves when whoever reads this process has what was printed, or has gone away. A process that ends before loses what a pipe had
 * no room for yet.
 */
export async function allWritten(): Promise<void> {
  const streams = [process.stdout, process.stderr];
  await Promise.all(
    streams.map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))),
  );
}

/** What `--json` prints, and nothing else with it. */
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2));

/** The width on a terminal, where colours take no space. */
const width = (text: string): number => stripVTControlCharacters(text).length;

/** Pure: rows in columns as wide as their widest cell. The last cell is not padded. */
export function table(rows: readonly (readonly string[])[], indent = "  "): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => width(row[column] ?? ""))),
  );
  return rows.map((row) =>
    `${indent}${row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + " ".repeat((widths[column] ?? 0) - width(cell)),
      )
      .join("  ")}`.trimEnd(),
  );
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** 1536 → "1.5 KiB". */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ""}`;
}

/** 93784 s → "1 d 2 h": the two largest units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first === -1) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

/** "3 min ago". */
export const ago = (when: Date, now: Date = new Date()): string =>
  `${duration((now.getTime() - when.getTime()) / 1000)} ago`;

/** Pure: every line with a prefix. */
export const indented = (text: string, prefix = "    "): string[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => `${prefix}${line}`.trimEnd());
