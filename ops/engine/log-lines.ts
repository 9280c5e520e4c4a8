/** What of a container's log helps to find out what is wrong: its errors and warnings, each as short as it can be. */
import { stripVTControlCharacters } from "node:util";

/** No line on the terminal is longer. */
const LONGEST = 240;
/** So much of a stack trace or a query below its line. */
const DETAILS = 4;

/** Fields that are the same in all lines of a container, or shown elsewhere. */
const dropped = new Set(["level", "time", "replica", "build", "msg", "stack", "hint"]);

const LEVELS: readonly string[] = ["trace", "debug", "info", "warn", "error", "fatal"];

/** What PostgreSQL, Redis, nginx, cloudflared and Node write in front of what went wrong. */
const BAD = [
  /\b(WARNING|ERROR|FATAL|PANIC): /,
  /^\d+:[A-Z] .* # /,
  /\[(warn|error|crit|alert|emerg)\]/,
  /\b(WRN|ERR|FTL)\b/,
  /^(Uncaught )?\w*(Error|Exception)\b/,
  /^(error|fatal|warning|panic)\b/i,
  /^node:internal\//,
];

interface Line {
  readonly text: string;
  readonly bad: boolean;
}

/** Pure: the errors and warnings of a log, each different one once, and its last lines. */
export function tellingLines(
  log: string,
  { bad, last }: { readonly bad: number; readonly last: number },
): { readonly bad: string[]; readonly last: string[] } {
  const lines = withDetails(stripVTControlCharacters(log).split("\n"));
  const seen = new Map<string, { readonly text: string; readonly count: number }>();
  for (const { text, bad } of lines) {
    if (!bad) continue;
    // The same at another time is the same.
    const what = text.replace(/^[\d/:.,TZ-]+ [\d:.,]* ?/, "");
    const count = seen.get(what)?.count ?? 0;
    // Deleted first, so that what comes again is at its newest place.
    seen.delete(what);
    seen.set(what, { text, count: count + 1 });
  }
  const told = [...seen.values()].map(({ text, count }) => (count > 1 ? `${text}  (${count} times)` : text));
  return { bad: told.slice(-bad), last: lines.slice(-last).map(({ text }) => text) };
}

/** A line that is indented, and what PostgreSQL says more about an error, belong to the line before. */
function withDetails(lines: readonly string[]): Line[] {
  const found: Line[] = [];
  let details = 0;
  for (const raw of lines) {
    const line = raw.trimEnd();
    if (line === "") continue;
    const before = found.at(-1);
    if (before !== undefined && (/^\s/.test(line) || /\b(DETAIL|HINT|STATEMENT|CONTEXT): /.test(line))) {
      details += 1;
      if (before.bad && details <= DETAILS)
        found[found.length - 1] = { bad: true, text: `${before.text}\n  ${short(line.trim())}` };
      continue;
    }
    details = 0;
    found.push(readLine(line));
  }
  return found;
}

function readLine(line: string): Line {
  const fields = parse(line);
  if (fields === undefined) return { text: short(line), bad: BAD.some((pattern) => pattern.test(line)) };
  const level = wordOf(fields["level"]);
  const rest = Object.entries(fields)
    .filter(([key]) => !dropped.has(key))
    .map(([key, value]) => `${key}=${valueOf(value)}`);
  // The edge writes a line for each request, and has no levels.
  const failed = level === undefined && Number(fields["status"]) >= 500;
  const words = [level, textOf(fields["msg"]), ...rest].filter((word) => word !== undefined && word !== "");
  return {
    text: short(words.join(" ")),
    bad: failed || LEVELS.indexOf(level ?? "info") >= LEVELS.indexOf("warn"),
  };
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

/** pino writes 50 for "error" where nobody has asked for words. */
const wordOf = (level: unknown): string | undefined =>
  typeof level === "number" ? LEVELS[level / 10 - 1] : textOf(level);

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** An error as its message, the rest as JSON. */
function valueOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null && "message" in value) {
    const { message, code } = value as { message: unknown; code?: unknown };
    return typeof code === "string" ? `${String(message)} (${code})` : String(message);
  }
  return JSON.stringify(value);
}

function short(text: string): string {
  // eslint-disable-next-line no-control-regex -- a log may hold anything, and this goes to a terminal
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}
