/** What a command works with once everything is ready: the tools, the engine, the stack, and its lock. */
import { join } from "node:path";
import { BUILD_VARIABLE } from "../../infra/components/backend/image.ts";
import { Audit } from "./audit.ts";
import { followChange } from "./changes.ts";
import { repairCheckpoint } from "./checkpoint-repair.ts";
import { clearPulumiLocks, takeOwnLock, type Waiting } from "./locks.ts";
import { refuseDuringMove } from "./move-progress.ts";
import { openStack, type Create, type StackHandle } from "./open-stack.ts";
import {
  connectEngine,
  findPlace,
  ROOT,
  whereIsEngine,
  type CommonOptions,
  type Engine,
  type Place,
} from "./place.ts";
import { checkPlatform } from "./platform.ts";
import { refuseRunnersEngine } from "./prechecks.ts";
import { checkConfig } from "./settings.ts";
import { recordAudit, say, signals } from "./this-process.ts";
import { prepareEngine, prepareTools, type PartStatus, type Toolchain } from "./toolchain.ts";

/** Policy packs that every preview and update runs with. A pack is started as a program, so its path is absolute. */
const POLICY_PACKS: readonly string[] = [join(ROOT, "policies", "main.ts")];
/** For a run of the steps on the host alone. */
export const HOST_POLICY_PACKS: readonly string[] = [join(ROOT, "policies", "host.ts")];

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
  /** What happens with a known stack that the backend does not have yet. */
  readonly create: Create;
  /** True for a command that installs and changes nothing. */
  readonly onlyLooking?: boolean;
  /** The command that takes the stack's lock until the process ends; undefined for one that only reads. */
  readonly lock?: string;
  /** The line of a command that has taken the lock already (takeStack). */
  readonly audit?: Audit;
  /** True for a command that changes nothing and says whether the stack is as it should be: another engine has no say in that. */
  readonly judges?: boolean;
}

/** Makes the tools, the engine and the stack ready. */
export async function openSession(options: CommonOptions, needs: Needs): Promise<Session> {
  const { place, tools, where } = await makeReady(options, needs);
  const engine = await connectEngine(place, () => readLoginKey(options, needs));
  // The program reads DOCKER_HOST and knows nothing of docker contexts: it has to deploy where this session looks.
  const environment = engine.withEngine(tools.env);
  const context = { ...place.context, env: environment };
  const judged = where === "elsewhere" && !needs.onlyLooking ? [await prepareEngine(context)] : [];
  const opened = await open(place, { ...tools, env: environment }, needs, options);
  if (opened.audit !== undefined) await followChange(engine.docker, place, opened.audit);
  return {
    ...place,
    ...engine,
    ...opened,
    context,
    engineIsLocal: isLocal(engine.dockerHost),
    parts: [...tools.statuses, ...judged],
  };
}

/** The private key of the stack's config, which only the Pulumi CLI can decrypt. */
export async function readLoginKey(options: CommonOptions, { create, onlyLooking }: Needs): Promise<string> {
  const { handle, settings } = await openStackAlone(options, { create, onlyLooking });
  return (await handle.program.getConfig(`${settings.project}:hostPrivateKey`)).value;
}

/** Makes the tools and the stack ready without the engine, for what is done before there is one. */
export async function openStackAlone(
  options: CommonOptions,
  needs: Needs,
): Promise<Place & { readonly handle: StackHandle }> {
  const { place, tools } = await makeReady(options, needs, "elsewhere");
  return { ...place, ...(await open(place, tools, needs, options)) };
}

interface Ready {
  readonly place: Place;
  readonly tools: Toolchain;
  readonly where: "here" | "elsewhere";
}

/** A stack that could be deployed, as far as its files say. A command that asks calls it before it asks. @throws OpsError */
export function deployablePlace(options: CommonOptions, onlyLooking = false): Place {
  const place = findPlace(options, onlyLooking);
  checkConfig(place.stack, place.settings);
  return place;
}

/** What brings images or data to the engine. All else has to work on a full disk as well: it may be the way out. */
const filling: ReadonlySet<string | undefined> = new Set(["up", "adopt", "restore", "upgrade"]);

/** Pure: whether a command is refused on a full disk. */
export const fillsDisk = ({ lock }: Pick<Needs, "lock">): boolean => filling.has(lock);

async function makeReady(options: CommonOptions, needs: Needs, engine?: "elsewhere"): Promise<Ready> {
  const found = (needs.create ? deployablePlace : findPlace)(options, needs.onlyLooking);
  const place = { ...found, context: { ...found.context, fillsDisk: fillsDisk(needs) } };
  checkPlatform();
  if (needs.lock !== undefined || needs.judges)
    refuseRunnersEngine(place.stack, place.settings.config, process.env);
  signals.begin({ title: "making the tools ready" });
  const where = engine ?? (await whereIsEngine(place));
  return { place, tools: await prepareTools(place.context, where), where };
}

async function open(
  place: Place,
  { env, pulumi }: Toolchain,
  needs: Needs,
  options: CommonOptions,
): Promise<{ readonly handle: StackHandle; readonly audit?: Audit }> {
  const audit =
    needs.audit ?? (needs.lock === undefined ? undefined : await takeStack(place, needs.lock, options));
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
    // Where the stack runs elsewhere, nobody on this machine has to come first.
    isUrgent: needs.lock === "rollback" || (await whereIsEngine(place)) === "elsewhere",
    waiting: waitingOf(options),
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

const waitingOf = ({ lockWait = 600 }: CommonOptions): Waiting => ({ seconds: lockWait, say });

/** Takes the stack for this command until the process ends. @returns the line that the change will leave. @throws OpsError */
export async function takeStack(place: Place, command: string, options: CommonOptions): Promise<Audit> {
  const { stack, settings, backend } = place;
  const waiting = waitingOf(options);
  signals.begin({ title: `waiting for the lock of stack ${stack}` });
  signals.onLeave(await takeOwnLock(backend, stack, command, waiting));
  if (backend.folder !== undefined) {
    await clearPulumiLocks(backend.folder, settings.project, stack, waiting);
    repairCheckpoint(backend.folder, settings.project, stack, say);
  }
  refuseDuringMove(backend, stack, command);
  return recordAudit(new Audit(backend.stateDir, stack, command));
}

/**
 * Reads secrets out of a stack's config, for commands that only look: undefined when a secret is not set or this
 * machine cannot decrypt it. Nothing is installed for it.
 */
export function secretReader(options: CommonOptions): (key: string) => Promise<string | undefined> {
  let opened: Promise<StackHandle> | undefined;
  return async (key) => {
    try {
      opened ??= openStackAlone(options, { create: false, onlyLooking: true }).then(({ handle }) => handle);
      const { program, settings } = await opened;
      const { value } = await program.getConfig(`${settings.project}:${key}`);
      return value === "" ? undefined : value;
    } catch {
      return undefined;
    }
  };
}
