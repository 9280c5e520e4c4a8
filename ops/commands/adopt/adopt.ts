/**
 * `npm run adopt`: makes a state for a stack whose state is lost, out of what its engine has: networks, volumes,
 * containers and images by their labels, the passwords out of the stack's own files, the identities out of its data. It
 * changes nothing on the engine (docs/environments.md, "A lost state").
 */
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { servingBuild, type Change } from "../../stack/audit.ts";
import { publishWhenEnded, stackChanges } from "../../stack/changes.ts";
import { prepareStackImages } from "../../stack/deploy.ts";
import { exportState, importState } from "../../stack/open-stack.ts";
import type { CommonOptions } from "../../stack/place.ts";
import { runPulumi } from "../../stack/run.ts";
import { openSession, type Session } from "../../stack/session.ts";
import { nameOf, resourcesOf, types, type State, type StateResource } from "../../stack/state.ts";
import { signals } from "../../stack/this-process.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { print } from "../../terminal/output.ts";
import { refuseTwins } from "./candidates.ts";
import { entryOf, isUnknown, namesInvented, newId, plannedBy, type Planned } from "./entries.ts";
import { StackOnEngine } from "./found.ts";

export async function adopt(options: CommonOptions): Promise<void> {
  const session = await openSession(options, { create: true, lock: "adopt" });
  const { docker, stack, handle, backend } = session;
  const state = await exportState(handle);
  if (resourcesOf(state).length > 0 && !isUnfinished(await stackChanges(docker, session))) {
    throw new OpsError(
      `Stack ${stack} has a state (${backend.stateDir}); there is nothing to adopt.`,
      `Deploy it: ${npmRun("up", stack)}. What is on the engine and not in the state is removed by that, data excepted.`,
      exit.usage,
    );
  }
  signals.begin({ title: `looking at stack ${stack} on the engine` });
  const found = await StackOnEngine.look(docker, stack);
  if (found.volumes.length === 0 && found.containers.length === 0) {
    throw new OpsError(
      `The engine has nothing of a stack "${stack}": no container and no volume has its label.`,
      `Name the engine that has it in omniai:dockerHost or DOCKER_HOST. To begin anew: ${npmRun("up", stack)}`,
    );
  }
  refuseTwins(found.containers, stack);
  publishWhenEnded(session);
  await prepareStackImages(session);
  const { adopted, missing } = await adoptAll(session, found, state);
  if (adopted.length > 0) await readBack(session);
  session.audit?.note({ to: servingBuild(await stackChanges(docker, session)) });
  report(session, adopted);
  if (missing.length > 0) throw notFoundHere(session, missing);
  print(
    `Look at what the next deploy would do, and deploy: ${npmRun("preview", stack)}, ${npmRun("up", stack)}`,
  );
}

/** Pure: whether the state is what an adoption has made and no deploy has used, so that another one can go on with it. */
export const isUnfinished = (changes: readonly Change[]): boolean =>
  changes.findLast(({ action, to }) => action === "adopt" || action === "down" || to !== undefined)
    ?.action === "adopt";

/** Pure: the resources of a plan that are at Cloudflare or GitHub, where no label says whose they are. */
export const inClouds = (plan: readonly Planned[]): Planned[] =>
  plan.filter(({ custom, type }) => custom && /^(cloudflare|github):/.test(type));

function notFoundHere({ stack }: Session, missing: readonly Planned[]): OpsError {
  const names = missing.map(({ urn, type }) => `  ${nameOf(urn)} (${type})`);
  return new OpsError(
    `Stack ${stack} also has ${missing.length} resources outside of its engine, which cannot be found there by a label. ` +
      `The next deploy would make each of them a second time, and replace what depends on them:\n${names.join("\n")}`,
    `Import those that exist (docs/environments.md, "A lost state"), and go on: ${npmRun("adopt", stack)}\n` +
      `  If none of them exists any more, deploy: ${npmRun("up", stack)}`,
  );
}

/** Writes into the state what is there, round after round, until nothing more of it is known. */
async function adoptAll(
  session: Session,
  found: StackOnEngine,
  state: State,
): Promise<{
  readonly adopted: StateResource[];
  /** Not in the state, and not on an engine. */ readonly missing: Planned[];
}> {
  const before = resourcesOf(state);
  const providers = new Map(
    before.filter(({ type }) => type.startsWith("pulumi:providers:")).map(({ urn, id }) => [urn, id ?? ""]),
  );
  const adopted: StateResource[] = [];
  for (let patient = true; ;) {
    const steps = await plan(session);
    const made = new Set<string>([...before, ...adopted].map(({ urn }) => urn));
    const entries: StateResource[] = [];
    for (const planned of steps) {
      if (patient && namesInvented(planned, steps)) continue;
      const entry = await adoptOne(planned, found, providers, made);
      if (entry === undefined) continue;
      made.add(entry.urn);
      entries.push(entry);
    }
    // What stands on something that is not there is adopted last, and the next update replaces it.
    if (entries.length === 0 && !patient) return { adopted, missing: inClouds(steps) };
    if (entries.length === 0) patient = false;
    else {
      await importState(session.handle, (state) => ({
        ...state,
        resources: [...resourcesOf(state), ...entries],
      }));
      adopted.push(...entries);
    }
  }
}

/** A resource without its parent or its provider waits for them. */
async function adoptOne(
  planned: Planned,
  found: StackOnEngine,
  providers: Map<string, string>,
  made: ReadonlySet<string>,
): Promise<StateResource | undefined> {
  if (planned.parent !== "" && !made.has(planned.parent)) return undefined;
  if (!planned.custom) return entryOf(planned, undefined, providers);
  if (isUnknown(planned.inputs)) return undefined;
  if (planned.type.startsWith("pulumi:providers:")) {
    providers.set(planned.urn, newId());
    return entryOf(planned, { id: providers.get(planned.urn) ?? "" }, providers);
  }
  if (!made.has(planned.provider)) return undefined;
  const there = await found.find(planned);
  return there && entryOf(planned, there, providers);
}

/** What Pulumi would make now. */
async function plan({ handle, stack }: Session): Promise<Planned[]> {
  const steps: Planned[] = [];
  await runPulumi({
    title: `looking what stack ${stack} is made of`,
    options: { configFile: handle.options.configFile },
    show: false,
    run: (run) =>
      handle.program.preview({
        ...run,
        onEvent: (event: EngineEvent) => {
          run.onEvent(event);
          const metadata = event.resourcePreEvent?.metadata;
          const planned = metadata && plannedBy(metadata);
          if (planned !== undefined) steps.push(planned);
        },
      }),
  });
  return steps;
}

/** Has the providers say the rest of what they know about the resources. */
async function readBack({ handle, stack }: Session): Promise<void> {
  await runPulumi({
    title: `reading stack ${stack} on the engine`,
    options: { configFile: handle.options.configFile },
    show: false,
    run: (run) => handle.program.refresh({ ...run, showSecrets: false }),
  });
}

function report({ stack }: Session, adopted: readonly StateResource[]): void {
  const named = (type: string): string[] =>
    adopted.filter((resource) => resource.type === type).map(({ urn }) => nameOf(urn));
  print(`The state of stack ${stack} knows again what is on the engine:`);
  const kinds = {
    volumes: named(types.volume),
    networks: named(types.network),
    containers: named(types.container),
    images: named("docker:index/remoteImage:RemoteImage"),
    passwords: named("random:index/randomPassword:RandomPassword"),
  };
  for (const [kind, names] of Object.entries(kinds)) print(`  ${kind}: ${names.join(", ") || "none"}`);
  print(`A password that is missing here is made anew by the next deploy, and set where it is needed.`);
}
