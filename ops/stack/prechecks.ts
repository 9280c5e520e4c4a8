/** What would make an update fail half-way, found before it begins: taken ports, and data of another state. */
import { createServer } from "node:net";
import type Docker from "dockerode";
import { STACK_LABEL } from "../../infra/resources/labels.ts";
import { listenerOn, type PortHolder } from "../engine/processes.ts";
import { listContainers } from "../engine/containers.ts";
import { listVolumes, type VolumeView } from "../engine/volumes.ts";
import { environmentOf } from "../../infra/config/policy-settings.ts";
import { identityName } from "../../infra/resources/volume.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { wantedPorts, type KnownConfig } from "./settings.ts";
import { engineNameOf, nameOf, resourcesOf, types, type State } from "./state.ts";

/** A container that publishes ports, as the engine lists it. */
export interface Publisher {
  readonly name: string;
  readonly stack?: string;
  readonly ports: readonly { readonly address: string; readonly port: number }[];
}

const everyAddress = (address: string): boolean =>
  address === "" || address === "0.0.0.0" || address === "::";

/** Pure: the container that has the port already, on an address that collides. */
export const publisherOf = (
  publishers: readonly Publisher[],
  address: string,
  port: number,
): Publisher | undefined =>
  publishers.find(({ ports }) =>
    ports.some(
      (one) =>
        one.port === port && (one.address === address || everyAddress(one.address) || everyAddress(address)),
    ),
  );

async function listPublishers(docker: Docker): Promise<Publisher[]> {
  const running = await docker.listContainers();
  return running.map(({ Names, Labels, Ports }) => ({
    name: (Names[0] ?? "").replace(/^\//, ""),
    stack: Labels[STACK_LABEL],
    ports: Ports.filter(({ PublicPort }) => PublicPort > 0).map(({ IP, PublicPort }) => ({
      address: IP ?? "",
      port: PublicPort,
    })),
  }));
}

/** Tries to listen, which is the only proof that a port is free. @returns the error's code when it is not */
export function tryPort(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

function portTaken(key: string, address: string, port: number, holder: string): OpsError {
  return new OpsError(
    `Port ${port} on ${address} (omniai:${key}) is taken by ${holder}.`,
    `Stop that, or give this stack another port: omniai:${key} in its Pulumi.<stack>.yaml (or: pulumi config set omniai:${key} PORT).`,
  );
}

const processName = (holder: PortHolder | undefined): string =>
  holder === undefined
    ? "a process that this user may not see (try: sudo ss -ltnp)"
    : `process ${holder.pid} (${holder.command})`;

/** Every port that the edge wants is free, or this stack's own edge has it. @throws OpsError that names the holder */
export async function checkPorts(
  docker: Docker,
  stack: string,
  config: KnownConfig,
  engineIsLocal: boolean,
): Promise<void> {
  const all = await listPublishers(docker);
  for (const { key, address, addressKey, port } of wantedPorts(config)) {
    const publisher = publisherOf(all, address, port);
    if (publisher?.stack === stack) continue;
    if (publisher !== undefined) {
      const of = publisher.stack === undefined ? "" : ` of stack ${publisher.stack}`;
      throw portTaken(key, address, port, `container ${publisher.name}${of}`);
    }
    // Ports of another machine cannot be tried from here; its engine will refuse a taken one.
    if (!engineIsLocal) continue;
    const code = await tryPort(address, port);
    if (code === "EADDRINUSE") throw portTaken(key, address, port, processName(listenerOn(port)));
    if (code === "EADDRNOTAVAIL") {
      throw new OpsError(
        `omniai:${addressKey} is ${address}, which is no address of this machine.`,
        addressKey === "bindAddress"
          ? "Use 127.0.0.1, 0.0.0.0, or an address that `ip addr` lists."
          : "Use an address that `ip -6 addr` lists, or leave the key empty.",
        exit.usage,
      );
    }
  }
}

/**
 * Pure: data volumes on the engine that the state neither has nor was about to make. One whose identity the state has is
 * not unknown: Pulumi forgets a volume that was away for a while (whether it is the right one is looked at elsewhere).
 */
export function unknownVolumes(volumes: readonly VolumeView[], state: State, stack: string): VolumeView[] {
  const pending = (state.pending_operations ?? []).map(({ resource }) => resource);
  const known = new Set(
    [...resourcesOf(state, types.volume), ...pending.filter(({ type }) => type === types.volume)].map(
      engineNameOf,
    ),
  );
  const identified = new Set(resourcesOf(state, types.uuid).map(({ urn }) => nameOf(urn)));
  return volumes.filter(
    ({ name, data, workload = "" }) =>
      data && !known.has(name) && !identified.has(identityName(stack, workload)),
  );
}

/** Refuses data on the engine whose passwords are in another state. @throws OpsError with every way out */
export async function checkDataVolumes(
  docker: Docker,
  stack: string,
  state: State,
  { stateDir, external }: { readonly stateDir: string; readonly external: readonly string[] },
): Promise<void> {
  // A state without anything is another checkout's, or a lost one.
  const isKnown = resourcesOf(state).length > 0;
  // What a stack has left behind when others took its servers over: nothing of it is used, and nothing harms it.
  const unknown = unknownVolumes(await listVolumes(docker, stack), state, stack).filter(
    ({ workload = "" }) => !isKnown || !external.includes(workload),
  );
  if (unknown.length === 0) {
    // A stack whose data is all with others is known by what runs alone.
    const running = isKnown || external.length === 0 ? [] : await listContainers(docker, stack);
    if (running.length === 0) return;
    throw new OpsError(
      `The engine has containers of a stack "${stack}" that this state (${stateDir}) does not know: ${running.map(({ name }) => name).join(", ")}. ` +
        "They belong to another checkout, or the state was lost. Nothing was touched.",
      "Deploy from the checkout that made them, or bring its .state folder back.\n" +
        `  If that state is lost: ${npmRun("adopt", stack)} makes a new one for what is on the engine\n` +
        "  To use a stack of another name: --stack NAME",
    );
  }
  const names = unknown.map(({ name }) => name);
  throw new OpsError(
    `The engine has data of a stack "${stack}" that this state (${stateDir}) does not know: volume ${names.join(", ")}. ` +
      "It belongs to another checkout, or the state was lost. Nothing was touched.",
    "To keep the data, deploy from the checkout that made it, or bring its .state folder back.\n" +
      `  If that state is lost: ${npmRun("adopt", stack)} makes a new one for what is on the engine, with the passwords that are there\n` +
      `  To give the data up, remove it and run this again: docker volume rm ${names.join(" ")}\n` +
      `  To leave it alone, use a stack of another name: --stack NAME`,
  );
}

/**
 * A runner has an engine of its own, which ends with the job: a stack that names no engine would be deployed there, and the
 * state would forget the real one. Stacks of the environment dev may: tests make theirs. @throws OpsError
 */
export function refuseRunnersEngine(stack: string, config: KnownConfig, env: NodeJS.ProcessEnv): void {
  if (!["true", "1"].includes(env["CI"] ?? "") || config.dockerHost !== "") return;
  if (environmentOf(stack, config.environment ?? "") === "dev") return;
  throw new OpsError(
    `Stack ${stack} names no Docker engine, and this is a CI runner (CI=${env["CI"]}): what is on the runner's own engine, which ends with the job, is not that stack.`,
    `Set omniai:dockerHost in Pulumi.${stack}.yaml, for example ssh://deploy@HOST.\n` +
      "  Only where the runner's own machine is the host: unix:///var/run/docker.sock.",
    exit.usage,
  );
}
