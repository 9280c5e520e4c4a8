/** The stacks that this checkout knows, without asking Pulumi. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import type { Backend } from "./backend.ts";
import { stackFiles } from "./config-files.ts";

/** The stacks that have a state in a file backend. */
export function savedStacks(backend: Backend, project: string): string[] {
  if (backend.folder === undefined) return [];
  try {
    return readdirSync(join(backend.folder, ".pulumi", "stacks", project))
      .map((name) => /^([^.]+)\.json$/.exec(name)?.[1])
      .filter((name) => name !== undefined);
  } catch {
    return [];
  }
}

/** Every stack that has a file or a state here. */
export const knownStacks = (root: string, backend: Backend, project: string): string[] =>
  [...new Set([...stackFiles(root), ...savedStacks(backend, project)])].sort();

export const notDeployed = (name: string): OpsError =>
  new OpsError(`Stack ${name} has not been deployed from here.`, `Deploy it: ${npmRun("up", name)}`);

export function unknownStack(name: string, known: readonly string[]): OpsError {
  return new OpsError(
    `There is no stack "${name}". Known stacks: ${known.length > 0 ? known.join(", ") : "none"}.`,
    `Name one of them with --stack, or make a new one: npm run stack -- init ${name}`,
    exit.usage,
  );
}
