/** Topics, filters of them, and who may follow which. */
import type { Principal } from "../../auth/principal.ts";

/**
 * Topics: names of dot-separated words, `public.*` for everybody, `user.<id>.*` for one user.
 * A filter is a list of names and of prefixes (`public.*`); a client without one gets `public.*`.
 */
const MAX_FILTERS = 16;
const WORD = "[A-Za-z0-9_-]{1,64}";
export const topicPattern = new RegExp(`^${WORD}(?:\\.${WORD}){1,7}$`);

const FILTER = `${WORD}(?:\\.${WORD}){0,7}(?:\\.\\*)?`;
/** The parameter `topics`: filters separated by commas, or nothing. */
export const topicsPattern = new RegExp(`^(?:${FILTER}(?:,${FILTER}){0,${MAX_FILTERS - 1}})?$`);

export const DEFAULT_TOPIC = "public.default";

export interface TopicFilter {
  /** Equal filters have equal keys: streams with the same key share every write. */
  readonly key: string;
  /** Names, and prefixes with `.*` at their end. */
  readonly patterns: readonly string[];
  matches(topic: string): boolean;
}

/** Whether this principal may read, or publish to, `topic` (or the prefix of a filter). */
export function isAllowedTopic(principal: Pick<Principal, "userId">, topic: string): boolean {
  if (topic.startsWith("public.")) return true;
  return principal.userId !== undefined && topic.startsWith(`user.${principal.userId}.`);
}

/** @returns undefined when one of the patterns is not well-formed, or there are too many. */
export function parseFilter(patterns: readonly string[]): TopicFilter | undefined {
  const wanted = patterns.length === 0 ? ["public.*"] : [...new Set(patterns)].sort();
  if (wanted.length > MAX_FILTERS || !topicsPattern.test(wanted.join(","))) return undefined;
  const names = new Set(wanted.filter((pattern) => !pattern.endsWith(".*")));
  const prefixes = wanted.filter((pattern) => pattern.endsWith(".*")).map((pattern) => pattern.slice(0, -1));
  return {
    key: wanted.join(","),
    patterns: wanted,
    matches: (topic) => names.has(topic) || prefixes.some((prefix) => topic.startsWith(prefix)),
  };
}
