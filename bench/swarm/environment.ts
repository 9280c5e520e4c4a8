/** What the scenarios of several machines are done to: a service on a lab, whoever deploys it. */
import type { Lab } from "../../test/support/swarm/lab.ts";
import type { Machine } from "../../test/support/swarm/machine.ts";
import { watchServices, type Services } from "../../test/support/swarm/services.ts";
import type { SwarmStack } from "../../test/support/swarm/stack.ts";
import { parseRows } from "../resilience/measure.ts";
import type { Environment } from "../resilience/scenario.ts";

export interface LabEnvironment extends Environment, Services {
  readonly lab: Lab;
  /** Has clients ask the edges of these machines alone, from the next load on. */
  visit(machines: readonly Machine[]): void;
  /** Puts another version in the place of the one that runs. Each of these resolves when the operator would call it done. */
  deploy(): Promise<void>;
  scale(replicas: number): Promise<void>;
  /** Has everything leave a machine. */
  drain(machine: Machine): Promise<void>;
}

/** @param base where an edge answers: scheme and port */
export function labEnvironment(
  { lab, postgres }: Pick<SwarmStack, "lab" | "postgres">,
  services: Services["services"],
  base: { readonly scheme: "http" | "https"; readonly port: number },
  changes: Pick<LabEnvironment, "deploy" | "scale" | "drain">,
): LabEnvironment {
  let visited: readonly Machine[] = lab.machines;
  return {
    ...watchServices(lab, services),
    ...changes,
    lab,
    url: `${base.scheme}://${lab.manager.address}:${base.port}`,
    direct: () => Promise.resolve(visited.map(({ address }) => `${address}:${base.port}`).join(",")),
    visit: (machines) => void (visited = machines),
    async storedRows(run) {
      const statement = `SELECT client FROM client_reports WHERE client LIKE '${run}-%'`;
      const superuser = ["psql", "-h", "127.0.0.1", "-XAtU", "postgres", "-d", "shop"];
      return parseRows(await postgres.exec(...superuser, "-c", statement), run);
    },
    // To look twice a second would be work for the machine that is measured.
    watch: () => ({ stop: () => [] }),
    restore: () => undefined,
  };
}

/** The stack, and the operator's commands. */
export function stackOnLab(swarm: SwarmStack): LabEnvironment {
  const scale = async (replicas: number): Promise<void> => {
    swarm.set("backendReplicas", replicas);
    await swarm.up();
  };
  return labEnvironment(
    swarm,
    swarm.services,
    { scheme: "https", port: Number(new URL(swarm.urlOf(swarm.lab.manager)).port) },
    {
      scale,
      async deploy() {
        swarm.newVersion();
        await swarm.up();
      },
      async drain({ name }) {
        const { code, output } = await swarm.stack.run("node", "drain", name);
        if (code !== 0) throw new Error(`node drain failed:\n${output}`);
      },
    },
  );
}
