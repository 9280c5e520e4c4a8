/** JSON in which nothing changes between what a client sends and what others read. */

/** What TypeScript does not know yet (https://tc39.es/proposal-json-parse-with-source/, in Node from 21 on). */
interface SourceJson {
  parse(
    text: string,
    revive: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): boolean;
}
const json = JSON as unknown as SourceJson;

const QUOTE = 34;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;
const BACKSLASH = 92;

/** Every number that JavaScript may not hold has an exponent, or more than 15 digits. Text may look like one, too. */
const suspect = /[\d.]{16}|\d[eE][+-]?\d/;
/** By itself, because a pattern that begins with a text is found ten times as fast. */
const negativeZero = /-0(?:\.0+)?(?:[\s,\]}]|$)/;

/**
 * Parses JSON as JSON.parse does, but for numbers that JavaScript does not hold (12345678901234567890, 1e400, or a
 * fraction with too many digits), and for -0, which JSON.stringify writes as 0. Instead of another number they become objects that JSON.stringify writes exactly as they
 * were, and that no schema takes for a number.
 */
export function parseExactly(text: string): unknown {
  const value = JSON.parse(text) as unknown;
  // A reviver takes ten times as long, so it only sees what has such a number.
  if ((!suspect.test(text) && !negativeZero.test(text)) || areAllHeld(text)) return value;
  return json.parse(text, (_key, inner, { source = "" }) =>
    typeof inner === "number" && !isHeld(source) ? json.rawJSON(source) : inner,
  );
}

const isHeld = (source: string): boolean => {
  const number = Number(source);
  const held = String(number);
  return held === source || (!Object.is(number, -0) && decimal(held) === decimal(source));
};

/** @param text valid JSON. */
function areAllHeld(text: string): boolean {
  const number = /[-+.\deE]+/y;
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      number.lastIndex = at;
      const source = number.exec(text)?.[0] ?? "";
      if (!isHeld(source)) return false;
      at += source.length;
    } else at++;
  }
  return true;
}

/** True for an array or object of the text, and not for a number that was kept as it was. */
export const isBranch = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !json.isRawJSON(value);

/** One text for all ways to write a number: its digits without zeros at either end, and the exponent of the last one. */
function decimal(source: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  const digits = whole + fraction;
  // In loops: a pattern for zeros at the end is quadratic in a run of zeros elsewhere.
  let [first, end] = [0, digits.length];
  while (digits[first] === "0") first++;
  while (end > first && digits[end - 1] === "0") end--;
  if (first === end) return source === "" ? "" : "0";
  // Not as BigInt, which takes the square of the time for an exponent of many digits. What Number rounds belongs to a
  // number that JavaScript holds as 0 or Infinity, and so as another one in any case.
  const last = Number(exponent) - fraction.length + (digits.length - end);
  return `${sign}${digits.slice(first, end)}e${last}`;
}

/**
 * Whether an object of `text`, which is `value` as JSON, has a name twice. JSON.parse keeps the last of them only, so there
 * are fewer names in `value` than in the text.
 */
export function hasNameTwice(text: string, value: unknown): boolean {
  let names = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at)) {
    at = endOfString(text, at);
    while (" \t\r\n".includes(text[at] ?? "?")) at++;
    if (text[at] === ":") names++;
  }
  return names !== countNames(value);
}

/** Behind the closing quote of the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  for (let next = at + 1; next < text.length; next++) {
    const code = text.charCodeAt(next);
    if (code === QUOTE) return next + 1;
    if (code === BACKSLASH) next++;
  }
  return text.length;
}

/** Without recursion, because the input is not trusted. */
function countNames(value: unknown): number {
  let names = 0;
  const rest: unknown[] = [value];
  while (rest.length > 0) {
    const item = rest.pop();
    if (!isBranch(item)) continue;
    const inner = Object.values(item);
    if (!Array.isArray(item)) names += inner.length;
    for (const each of inner) rest.push(each);
  }
  return names;
}
