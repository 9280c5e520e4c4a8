/** What a command works with once everything is ready: the tools, the engine, the stack, and its lock. */
import { join } from "node:path";
import { BUILD_VARIABLE } from "../../infra/components/backend/image.ts";
import { Audit, readChanges, servingBuild } from "./audit.ts";
import { repairCheckpoint } from "./checkpoint-repair.ts";
import { clearPulumiLocks, takeOwnLock } from "./locks.ts";
import { openStack, type StackHandle } from "./open-stack.ts";
import { findPlace, openEngine, ROOT, type CommonOptions, type Engine, type Place } from "./place.ts";
import { checkConfig } from "./settings.ts";
import { recordAudit, say, signals } from "./this-process.ts";
import { prepareTools, type PartStatus, type Toolchain } from "./toolchain.ts";

/** Policy packs that every preview and update runs with. A pack is started as a program, so its path is absolute. */
const POLICY_PACKS: readonly string[] = [join(ROOT, "policies", "main.ts")];

export interface Session extends Place, Engine {
  readonly engineIsLocal: boolean;
  readonly handle: StackHandle;
  /** Only of a command that took the lock. */
  readonly audit?: Audit;
  /** The parts of the toolchain that it runs with. */
  readonly parts: readonly PartStatus[];
}

const isLocal = (host: string): boolean => host.startsWith("unix://") || host.startsWith("npipe://");

export interface Needs {
  /** Makes a known stack that the backend does not have yet; otherwise that is an error. */
  readonly create: boolean;
  /** True for a command that installs and changes nothing. */
  readonly onlyLooking?: boolean;
  /** The command that takes the stack's lock until the process ends; undefined for one that only reads. */
  readonly lock?: string;
}

/** Makes the tools, the engine and the stack ready. */
export async function openSession(options: CommonOptions, needs: Needs): Promise<Session> {
  const { place, tools } = await makeReady(options, needs);
  const engine = await openEngine(place);
  // The program reads DOCKER_HOST and knows nothing of docker contexts: it has to deploy where this session looks.
  const environment = { ...tools.env, DOCKER_HOST: engine.dockerHost };
  const opened = await open(place, { ...tools, env: environment }, needs, options);
  return {
    ...place,
    ...engine,
    ...opened,
    context: { ...place.context, env: environment },
    engineIsLocal: isLocal(engine.dockerHost),
    parts: tools.statuses,
  };
}

/** Makes the tools and the stack ready without the engine, for what is done before there is one. */
export async function openStackAlone(
  options: CommonOptions,
  needs: Needs,
): Promise<Place & { readonly handle: StackHandle }> {
  const { place, tools } = await makeReady(options, needs);
  return { ...place, ...(await open(place, tools, needs, options)) };
}

interface Ready {
  readonly place: Place;
  readonly tools: Toolchain;
}

/** A stack that could be deployed, as far as its files say. A command that asks calls it before it asks. @throws OpsError */
export function deployablePlace(options: CommonOptions, onlyLooking = false): Place {
  const place = findPlace(options, onlyLooking);
  checkConfig(place.stack, place.settings);
  return place;
}

async function makeReady(options: CommonOptions, needs: Needs): Promise<Ready> {
  const place = (needs.create ? deployablePlace : findPlace)(options, needs.onlyLooking);
  signals.begin({ title: "making the tools ready" });
  return { place, tools: await prepareTools(place.context) };
}

async function open(
  place: Place,
  { env, pulumi }: Toolchain,
  needs: Needs,
  options: CommonOptions,
): Promise<{ readonly handle: StackHandle; readonly audit?: Audit }> {
  const audit = needs.lock === undefined ? undefined : await lockStack(place, needs.lock, options);
  signals.begin({ title: `opening stack ${place.stack}` });
  const handle = await openStack({
    root: ROOT,
    name: place.stack,
    settings: place.settings,
    backend: place.backend,
    environment: withoutBuild(env),
    pulumiRoot: pulumi.root,
    policyPacks: POLICY_PACKS,
    create: needs.create,
    isUrgent: needs.lock === "rollback",
    say,
  });
  return { handle, ...(audit && { audit }) };
}

/** Pure: only a rollback names the build to deploy; one that is left in the environment would keep `up` from the sources. */
export function withoutBuild(
  environment: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const { [BUILD_VARIABLE]: _, ...rest } = environment;
  return rest;
}

/** Takes the stack for this command until the process ends. @returns the line that the change will leave */
async function lockStack(place: Place, command: string, options: CommonOptions): Promise<Audit> {
  const { stack, settings, backend } = place;
  const waiting = { seconds: options.lockWait ?? 600, say };
  signals.begin({ title: `waiting for the lock of stack ${stack}` });
  signals.onLeave(await takeOwnLock(backend.stateDir, stack, command, waiting));
  if (backend.folder !== undefined) {
    await clearPulumiLocks(backend.folder, settings.project, stack, waiting);
    repairCheckpoint(backend.folder, settings.project, stack, say);
  }
  const audit = recordAudit(new Audit(backend.stateDir, stack, command));
  audit.note({ from: servingBuild(readChanges(backend.stateDir, stack)) });
  return audit;
}

/**
 * Reads secrets out of a stack's config, for commands that only look: undefined when a secret is not set or this
 * machine cannot decrypt it. Nothing is installed for it.
 */
export function secretReader(options: CommonOptions): (key: string) => Promise<string | undefined> {
  let opened: Promise<StackHandle> | undefined;
  return async (key) => {
    try {
      opened ??= openSession(options, { create: false, onlyLooking: true }).then(({ handle }) => handle);
      const { program, settings } = await opened;
      const { value } = await program.getConfig(`${settings.project}:${key}`);
      return value === "" ? undefined : value;
    } catch {
      return undefined;
    }
  };
}
