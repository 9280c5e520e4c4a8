/** Which plugins these tests run with, and what they ask of every stack. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createContext, inspectToolchain } from "../../tools/find/index.ts";
import { pulumiPart } from "../../tools/find/pulumi/cli.ts";
import { languagePart } from "../../tools/find/pulumi/language.ts";
import { PLUGIN_PARTS } from "../../tools/find/pulumi/plugin.ts";
import type { PlainResult } from "../support/plain-pulumi.ts";
import type { TestStack } from "../support/stack.ts";

/**
 * Prints where each part comes from.
 * @returns whether the docker plugin is an official one: it makes everything that runs, so without it nothing is tried
 */
export async function hasOfficialDocker(): Promise<boolean> {
  const parts = new Set([pulumiPart, languagePart, ...PLUGIN_PARTS].map(({ name }) => name));
  const found = (await inspectToolchain(createContext())).filter(({ name }) => parts.has(name));
  const isOfficial = (way: string): boolean => way === "downloaded" || way === "path";
  for (const { name, way, version, location } of found) {
    const line = isOfficial(way)
      ? `official ${name} ${version ?? "of a version that it does not say"} (${location ?? way})`
      : `NOT OFFICIAL: ${name} ${version ?? ""} is ${way === "built" ? "built here" : way}; put the official one into PULUMI_HOME/plugins or on PATH`;
    console.log(`  ${line}`);
  }
  const isHere = found.some(({ name, way }) => name === "pulumi-resource-docker" && isOfficial(way));
  if (!isHere)
    console.log("  SKIPPED: nothing of this was tried, because the official docker plugin is not here.");
  return isHere;
}

/** How a command or the CLI ended. */
type Ended = Pick<PlainResult, "code" | "output">;

export const good = ({ code, output }: Ended): void => assert.equal(code, 0, output);

/** That an `up` has found everything as it should be. */
export const unchanged = ({ code, output }: Ended): void => {
  assert.equal(code, 0, output);
  assert.match(output, /\d+ unchanged/);
  assert.doesNotMatch(output, /\d+ (created|updated|replaced|deleted)/);
};

/**
 * Takes a live stack from the official plugins to the stand-ins and back: neither may find anything to change.
 * @returns false where there are no stand-ins to go to, and says so
 */
export async function goesThereAndBack(stack: Pick<TestStack, "run">): Promise<boolean> {
  const home = process.env["PULUMI_HOME"];
  const empty = mkdtempSync(join(tmpdir(), "omniai-pulumi-home-"));
  process.env["PULUMI_HOME"] = empty;
  try {
    const { stdout } = await stack.run("doctor");
    if (!/pulumi-resource-docker .*standin/.test(stdout)) {
      console.log("  SKIPPED: the official plugins are on PATH, or the stand-ins are not built here.");
      return false;
    }
    unchanged(await stack.run("up", "--yes"));
  } finally {
    if (home === undefined) delete process.env["PULUMI_HOME"];
    else process.env["PULUMI_HOME"] = home;
    rmSync(empty, { recursive: true, force: true });
  }
  unchanged(await stack.run("up", "--yes"));
  return true;
}
