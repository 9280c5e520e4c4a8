/** The scripts that commands may run, by the hash of their text. policies/test/known-scripts.test.ts writes the list. */
import { createHash } from "node:crypto";
import known from "./known-scripts.json" with { type: "json" };

/** In front of a script for a host stand its settings, which are texts in single quotes and can run nothing. */
const settings = /^(?:(?:HOST|OPEN|SSH)_[A-Z0-9_]+='[^']*'\n)+/;

/** Pure: the same for every stack. */
export const hashOf = (script: string): string =>
  createHash("sha256").update(script.replace(settings, "")).digest("hex");

/** What each script is, by its hash. */
export const knownScripts: ReadonlyMap<string, string> = new Map(Object.entries(known));
