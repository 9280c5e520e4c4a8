/**
 * Several machines for the tests of a swarm: each is a container with an engine of its own (../box), all on one network of
 * this machine. Ending such a container is what a power cut is to a machine. A lab goes with its process; what is left where that
 * is killed, the next lab removes.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, startTimeOf } from "../../../tools/host/process.mjs";
import { awaitEngine, buildMachineImage, docker } from "../box/machine.ts";
import { eventually } from "../http.ts";
import { createMachine, type Machine } from "./machine.ts";
import { startRegistry, type Registry } from "./registry.ts";

export interface Lab {
  readonly manager: Machine;
  readonly workers: readonly Machine[];
  readonly machines: readonly Machine[];
  readonly registry: Registry;
  /** An address of its network that no machine has. */
  readonly nobody: string;
  /** The swarm's state of each machine, by name: Ready or Down. */
  states(): Readonly<Record<string, string>>;
  /** One more machine, which is in no swarm, and is not among `machines`: its engine answers, and is as it was installed. */
  add(name: string): Promise<Machine>;
  remove(): void;
}

const LABEL = "io.omniai.test.swarm";

/** The last part of addresses in its network: of the first machine, and one that is given to none. */
const FIRST_MACHINE = 11;
const NOBODY = 250;

/** Machines that are one swarm, the first of them its only manager, each labelled for the edge. */
export async function startLab(workers = 2): Promise<Lab> {
  removeDead();
  const owner = `${process.pid}.${startTimeOf(process.pid) ?? ""}`;
  const work = mkdtempSync(join(tmpdir(), `omniai-swarm-${process.pid}-`));
  const network = `omniai-test-swarm-${process.pid}`;
  const names = ["manager", ...Array.from({ length: workers }, (_, index) => `worker-${index + 1}`)];
  const label = ["--label", `${LABEL}=${owner}`, "--label", `${LABEL}.folder=${work}`];
  const remove = (): void => {
    process.removeListener("exit", remove);
    removeLabelled(`${LABEL}=${owner}`);
    rmSync(work, { recursive: true, force: true });
  };
  // Whoever is interrupted comes to no hook: three engines would go on for nobody.
  process.once("exit", remove);
  try {
    buildMachineImage();
    // Fixed addresses, because an engine of a swarm keeps those of the others.
    const prefix = `10.249.${process.pid % 256}`;
    docker("network", "create", "--subnet", `${prefix}.0/24`, ...label, network);
    const onNetwork = ["--network", network, "--ip", `${prefix}.2`, ...label];
    const registry = await startRegistry(`${network}-registry`, onNetwork, `${prefix}.2`, work);
    let count = 0;
    const create = (name: string, isPrepared: boolean): Machine =>
      createMachine({
        ...{ name, network, label, work, registry, isPrepared },
        address: `${prefix}.${FIRST_MACHINE + count++}`,
      });
    const machines = names.map((name) => create(name, true));
    await Promise.all(machines.map(({ container }) => awaitEngine(container)));
    const [manager, ...others] = machines as [Machine, ...Machine[]];
    manager.docker("swarm", "init", "--advertise-addr", manager.address);
    const token = manager.docker("swarm", "join-token", "--quiet", "worker");
    for (const worker of others) {
      worker.docker("swarm", "join", "--token", token, "--advertise-addr", worker.address, manager.address);
    }
    for (const { name } of machines)
      manager.docker("node", "update", "--label-add", "omniai.edge=true", name);
    const states = (): Record<string, string> =>
      Object.fromEntries(
        manager
          .docker("node", "ls", "--format", "{{.Hostname}} {{.Status}}")
          .split("\n")
          .map((line) => line.split(" ") as [string, string]),
      );
    await eventually("machines that are ready", 30, () =>
      Object.values(states()).every((s) => s === "Ready"),
    );
    return {
      ...{ manager, workers: others, machines, registry, states, remove },
      nobody: `${prefix}.${NOBODY}`,
      async add(name) {
        const machine = create(name, false);
        await awaitEngine(machine.container);
        return machine;
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Removes what processes have left that are no more. */
function removeDead(): void {
  const format = `{{.Label "${LABEL}"}} {{.Label "${LABEL}.folder"}}`;
  const lines = [
    docker("ps", "--all", "--filter", `label=${LABEL}`, "--format", format),
    docker("network", "ls", "--filter", `label=${LABEL}`, "--format", format),
  ].flatMap((text) => text.split("\n").filter((line) => line !== ""));
  for (const line of new Set(lines)) {
    const [owner = "", folder = ""] = line.split(" ");
    const [pid, start] = owner.split(".");
    if (isAlive(Number(pid), start)) continue;
    removeLabelled(`${LABEL}=${owner}`);
    if (folder.startsWith(tmpdir())) rmSync(folder, { recursive: true, force: true });
  }
}

function removeLabelled(label: string): void {
  const ids = (...list: string[]): string[] =>
    docker(...list, "--quiet", "--filter", `label=${label}`)
      .split("\n")
      .filter((id) => id !== "");
  const containers = ids("ps", "--all");
  if (containers.length > 0) spawnSync("docker", ["rm", "--force", "--volumes", ...containers]);
  for (const network of ids("network", "ls")) spawnSync("docker", ["network", "rm", network]);
}
