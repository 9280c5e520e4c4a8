/** A step of a build that has to succeed. */
import { ToolchainError } from "../../host/part.ts";
import { indent, type RunResult } from "../../host/run.ts";

/** @throws ToolchainError for a program that did not end well */
export function check(result: RunResult, what: string): void {
  if (result.code === 0) return;
  throw new ToolchainError(
    `${what}:\n${indent(result.notStarted === undefined ? result.tail : [result.notStarted])}`,
    "Correct what these lines name (a mirror or registry out of reach, a full disk) and run this again.",
  );
}
