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
  /** The power is back, or was never away: its engine answers when this resolves. */
  restorePower(): Promise<void>;
  /**
   * Cuts the network between it and these addresses, with all that runs in it going on: nothing is refused, packets are just never
   * seen again. Whoever is not named still reaches it, as clients do that come another way.
   */
  cutFrom(addresses: readonly string[]): void;
  /** Undoes every cut of it; does nothing where there is none. */
  heal(): void;
}

export interface Creation {
  readonly name: string;
  readonly network: string;
  readonly label: readonly string[];
  readonly address: string;
  readonly work: string;
  /** Whose certificate it trusts. */
  readonly registry: { readonly address: string; readonly authority: string };
  /** Whether its engine is set up as one of a node; default: yes. */
  readonly isPrepared?: boolean;
}

/** Where the rules of a cut are, and what leads there: the machine's own packets, and those of its containers. */
const CUT = "TEST-CUT";
const WAYS = ["INPUT", "OUTPUT", "FORWARD"];

export function createMachine(creation: Creation): Machine {
  const { name, network, label, address, work, registry, isPrepared = true } = creation;
  const container = `${network}-${name}`;
  const [config, sockets] = [join(work, name, "config"), join(work, name, "sockets")];
  mkdirSync(join(config, "certs.d", registry.address), { recursive: true });
  mkdirSync(sockets, { recursive: true });
  writeFileSync(join(config, "certs.d", registry.address, "ca.crt"), registry.authority);
  const settings = {
    hosts: ["unix:///var/run/docker.sock", "unix:///run/lab/docker.sock"],
    // A service has no option for it.
    ...(isPrepared ? { "no-new-privileges": true } : {}),
  };
  writeFileSync(join(config, "daemon.json"), JSON.stringify(settings));
  docker(
    ...["run", "-d", "--init", "--name", container, "--hostname", name, ...label, ...MACHINE_RIGHTS],
    ...["--network", network, "--ip", address],
    ...["-v", `${config}:/etc/docker`, "-v", `${sockets}:/run/lab`, MACHINE_IMAGE],
  );
  const host = `unix://${sockets}/docker.sock`;
  const inside = (script: string): string => docker("exec", container, "sh", "-c", script);
  return {
    name,
    container,
    address,
    host,
    docker: (...args) => docker("--host", host, ...args),
    inside,
    cutPower: () => void docker("kill", container),
    async restorePower() {
      docker("start", container);
      await awaitEngine(container);
    },
    cutFrom(addresses) {
      const chain = (...rule: string[]): string => ["iptables -w", ...rule].join(" ");
      // What an overlay carries is among it, as the packets of its tunnel.
      const rules = addresses.flatMap((other) =>
        ["-s", "-d"].map((end) => chain("-A", CUT, end, other, "-j DROP")),
      );
      const ways = WAYS.map((way) => chain("-I", way, "-j", CUT));
      inside(["set -e", chain("-N", CUT), ...rules, ...ways].join("\n"));
    },
    heal() {
      const steps = [...WAYS.map((way) => `-D ${way} -j ${CUT}`), `-F ${CUT}`, `-X ${CUT}`];
      const isCut = `iptables -w -S ${CUT} >/dev/null 2>&1 || exit 0`;
      inside([isCut, "set -e", ...steps.map((step) => `iptables -w ${step}`)].join("\n"));
    },
  };
}
