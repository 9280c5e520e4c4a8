/**
 * Holds the exchange of a store's data on its engine for one process, so that no other machine ends what it has begun
 * (docs/decisions/0081-exchange-holder.md).
 */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { unlessGone } from "../../engine/connection.ts";
import {
  exchangeHeld,
  findContainer,
  holderLabels,
  holdName,
  scriptName,
  type ExchangeContainer,
} from "../../stack/exchange-holder.ts";
import type { Waiting } from "../../stack/locks.ts";
import type { Session } from "../../stack/session.ts";
import { signals } from "../../stack/this-process.ts";
import { OpsError } from "../../terminal/errors.ts";
import type { Store } from "./stores.ts";

/** What an exchange needs of a session. */
export interface Exchanging extends Pick<Session, "docker" | "stack"> {
  readonly handle: { readonly waiting: Waiting };
}

const POLL_MS = 1000;
/** A container that is made is started at once: one that is not is nobody's after so long, in ms. */
const UNSTARTED_MS = 10_000;

interface Hold {
  lost: boolean;
}
/** What this process holds, by the name of the container. */
const holds = new Map<string, Hold>();

/**
 * Holds the exchange until the process ends: the container waits for the end of its input, and its input ends with this process,
 * also when that is killed or its machine is lost. Does nothing where this process holds it already.
 * @param image any with a shell. @throws OpsError where another has it for longer than the time to wait, or has taken it away
 */
export async function holdExchange(
  { docker, stack, handle }: Exchanging,
  workload: Store["workload"],
  image: string,
): Promise<void> {
  const name = holdName(stack, workload);
  const held = holds.get(name);
  if (held?.lost)
    throw new OpsError(
      `The hold of this run on the exchange of ${workload} in stack ${stack} (container ${name}) has ended, so another run may have begun.`,
      "Run the command again: it puts the old data back first where that is half way.",
    );
  if (held !== undefined) return;
  const waiter = new Waiter(stack, workload, handle.waiting);
  let container: Docker.Container | undefined;
  while (container === undefined) {
    const there = await findContainer(docker, name);
    // One that has ended is going away by itself.
    if (there !== undefined) {
      if (there.state !== "running" && waiter.isOld(there))
        await unlessGone(docker.getContainer(there.id).remove({ force: true }));
      else await waiter.wait(there);
      continue;
    }
    container = await create(docker, name, image);
  }
  // With its output, which says nothing: only then does the engine end the connection when the container ends.
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true });
  const hold: Hold = { lost: false };
  for (const event of ["close", "end", "error"]) stream.on(event, () => (hold.lost = true));
  stream.resume();
  holds.set(name, hold);
  signals.onLeave(() => release(name, stream));
  await container.start();
}

function release(name: string, stream: NodeJS.ReadWriteStream): void {
  holds.delete(name);
  (stream as NodeJS.ReadWriteStream & { destroy: () => void }).destroy();
}

/** @returns undefined where another has made one meanwhile */
async function create(docker: Docker, name: string, image: string): Promise<Docker.Container | undefined> {
  const { User, HostConfig } = await confined(docker, image);
  try {
    return await docker.createContainer({
      name,
      User,
      Image: image,
      Entrypoint: ["sh", "-c", "cat >/dev/null"],
      Cmd: [],
      Labels: holderLabels(commandHere()),
      OpenStdin: true,
      StdinOnce: true,
      HostConfig: { ...HostConfig, AutoRemove: true },
    });
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 409) return undefined;
    throw error;
  }
}

/** The command of this process, for those who wait for it. */
export const commandHere = (): string => process.argv[2] ?? "omniai";

/** What every container of an exchange is confined to. */
export async function confined(
  docker: Docker,
  image: string,
): Promise<Pick<Docker.ContainerCreateOptions, "User" | "HostConfig">> {
  const { Config } = await docker.getImage(image).inspect();
  const declared = Object.keys(Config.Volumes ?? {});
  return {
    User: "999:999",
    HostConfig: {
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Memory: 128 * 1024 * 1024,
      PidsLimit: 32,
      Init: true,
      Tmpfs: Object.fromEntries(declared.map((folder) => [folder, "size=1m"])),
    },
  };
}

/**
 * Ends what the script of a former run has left; killed, its marks say where it was. To be called by who holds the exchange: then
 * nobody renews the hold of whoever made it. One that says nothing of its owner is waited for.
 * @throws OpsError where it runs for longer than the time to wait
 */
export async function endLeftover(
  { docker, stack, handle }: Exchanging,
  workload: Store["workload"],
): Promise<void> {
  const waiter = new Waiter(stack, workload, handle.waiting);
  for (;;) {
    const there = await findContainer(docker, scriptName(stack, workload));
    if (there === undefined) return;
    if (there.state === "running" && !there.ours) await waiter.wait(there);
    else await unlessGone(docker.getContainer(there.id).remove({ force: true }));
  }
}

/** Waits for another exchange, and says once for whose. */
class Waiter {
  readonly #stack: string;
  readonly #workload: string;
  readonly #waiting: Waiting;
  readonly #began = performance.now();
  readonly #seen = new Map<string, number>();
  #told = false;

  constructor(stack: string, workload: string, waiting: Waiting) {
    this.#stack = stack;
    this.#workload = workload;
    this.#waiting = waiting;
  }

  /** Whether it has been waited for long enough for one that does not run. */
  isOld({ id }: ExchangeContainer): boolean {
    const now = performance.now();
    const since = this.#seen.get(id) ?? now;
    this.#seen.set(id, since);
    return now - since > UNSTARTED_MS;
  }

  /** @throws OpsError when the time is over */
  async wait(there: ExchangeContainer): Promise<void> {
    // One that is about to start or to go away does not exchange.
    if (there.state !== "running") return sleep(POLL_MS / 10);
    const { seconds, say } = this.#waiting;
    if (performance.now() - this.#began >= seconds * 1000)
      throw exchangeHeld(this.#stack, this.#workload, there, seconds);
    if (!this.#told) {
      this.#told = true;
      say(
        `The data of ${this.#workload} in stack ${this.#stack} is being exchanged by ${there.who}; waiting for it, at most ${seconds} s.`,
      );
    }
    await sleep(POLL_MS);
  }
}
