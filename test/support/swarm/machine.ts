/** A machine of a lab: a container with an engine of its own (../box), at a fixed address. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { awaitEngine, docker, MACHINE_IMAGE, MACHINE_RIGHTS } from "../box/machine.ts";

export interface Machine {
  /** Its name in the swarm, which is also its host name. */
  readonly name: string;
  /** The container that it is. */
  readonly container: string;
  /** Where the other machines and this one reach it. It stays the same after a power cut. */
  readonly address: string;
  /** Where this machine reaches its engine (DOCKER_HOST). */
  readonly host: string;
  /** The docker CLI of this machine, for the engine of that one. @throws Error with what it said */
  docker(...args: string[]): string;
  /** A script as root, in the machine. */
  inside(script: string): string;
  /** A power cut: nothing in it is told to stop. */
  cutPower(): void;
  /** The power is back: its engine answers when this resolves. */
  restorePower(): Promise<void>;
  /** Takes it off the network, with all that runs in it going on. */
  unplug(): void;
  plugIn(): void;
}

export interface Creation {
  readonly name: string;
  readonly network: string;
  readonly label: readonly string[];
  readonly address: string;
  readonly work: string;
  /** Whose certificate it trusts. */
  readonly registry: { readonly address: string; readonly authority: string };
}

export function createMachine({ name, network, label, address, work, registry }: Creation): Machine {
  const container = `${network}-${name}`;
  const [config, sockets] = [join(work, name, "config"), join(work, name, "sockets")];
  mkdirSync(join(config, "certs.d", registry.address), { recursive: true });
  mkdirSync(sockets, { recursive: true });
  writeFileSync(join(config, "certs.d", registry.address, "ca.crt"), registry.authority);
  const settings = {
    hosts: ["unix:///var/run/docker.sock", "unix:///run/lab/docker.sock"],
    // A service has no option for it.
    "no-new-privileges": true,
  };
  writeFileSync(join(config, "daemon.json"), JSON.stringify(settings));
  docker(
    ...["run", "-d", "--init", "--name", container, "--hostname", name, ...label, ...MACHINE_RIGHTS],
    ...["--network", network, "--ip", address],
    ...["-v", `${config}:/etc/docker`, "-v", `${sockets}:/run/lab`, MACHINE_IMAGE],
  );
  const host = `unix://${sockets}/docker.sock`;
  return {
    name,
    container,
    address,
    host,
    docker: (...args) => docker("--host", host, ...args),
    inside: (script) => docker("exec", container, "sh", "-c", script),
    cutPower: () => void docker("kill", container),
    async restorePower() {
      docker("start", container);
      await awaitEngine(container);
    },
    unplug: () => void docker("network", "disconnect", network, container),
    plugIn: () => void docker("network", "connect", "--ip", address, network, container),
  };
}
