/**
 * What commands that only look need: the stack's engine, and its state. Pulumi's SDK is not loaded for it and no stack is
 * selected, because each takes most of a second.
 */
import type { UpdateSummary } from "@pulumi/pulumi/automation/index.js";
import { StackNotFoundError } from "@pulumi/pulumi/automation/errors.js";
import { savedStacks, notDeployed } from "./known-stacks.ts";
import { connectEngine, ROOT, whereIsEngine, type CommonOptions, type Engine, type Place } from "./place.ts";
import { inOwnProcessGroup } from "./pulumi-command.ts";
import type { State } from "./state.ts";
import { inspectCli } from "./toolchain.ts";

/** The engine of a stack, for commands that only look. @throws OpsError when it does not answer */
export const openEngine = (place: Place, options: CommonOptions): Promise<Engine> =>
  connectEngine(place, async () =>
    (await import("./session.ts")).readLoginKey(options, { create: false, onlyLooking: true }),
  );

/** A stack as its backend has it. Secrets in it stay encrypted. */
export interface SavedStack {
  readonly state: State;
  /** The newest update; undefined for a stack that had none. */
  readonly lastUpdate?: UpdateSummary;
}

/** Reads a stack out of its backend: two calls of the CLI, at the same time. @throws OpsError when it is not there */
export async function readSavedStack(place: Place): Promise<SavedStack> {
  const { stack, settings, backend, context } = place;
  if (backend.folder !== undefined && !savedStacks(backend, settings.project).includes(stack))
    throw notDeployed(stack);
  const command = await inspectCli(context);
  const environment = Object.fromEntries(
    Object.entries({ ...context.env, ...backend.env, PULUMI_SKIP_UPDATE_CHECK: "true" }).flatMap(
      ([name, value]) => (value === undefined ? [] : [[name, value]]),
    ),
  );
  // Where the stack runs elsewhere, nobody on this machine has to come first.
  const isUrgent = (await whereIsEngine(place)) === "elsewhere";
  const cli = inOwnProcessGroup({ command, version: null }, environment, isUrgent);
  const ask = async (...args: string[]): Promise<unknown> =>
    JSON.parse((await cli.run(["stack", ...args, "--stack", stack], ROOT, {})).stdout);
  try {
    const [exported, history] = await Promise.all([
      ask("export"),
      ask("history", "--json", "--page-size", "1", "--page", "1"),
    ]);
    const { deployment = {} } = exported as { deployment?: State };
    return { state: deployment, lastUpdate: (history as UpdateSummary[])[0] };
  } catch (error) {
    throw error instanceof StackNotFoundError ? notDeployed(stack) : error;
  }
}
