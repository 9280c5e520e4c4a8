/** The environment of the scenarios: a stack of its own in a checkout of its own, and what can be done to it. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCheckout, removeCheckout } from "../../test/support/checkout.ts";
import { createStack, docker, type CommandResult, type TestStack } from "../../test/support/stack.ts";
import { parseRows, type ReplicaSample } from "./measure.ts";
import type { Environment } from "./scenario.ts";

export interface StackEnvironment extends Environment {
  readonly stack: TestStack;
  /** Runs a command of the stack. @throws Error with its output when it fails. */
  succeed(command: string, ...args: string[]): Promise<CommandResult>;
  /** Edits a source file; `restore` undoes it. @throws Error if the edit changes nothing. */
  edit(path: string, change: (text: string) => string): void;
  /** Adds a source file; `restore` removes it. */
  add(path: string, content: string): void;
  /** Changes the service so that its image is built anew but behaves as before. */
  newVersion(): void;
  /** The process id of a container, on the host. */
  pidOf(container: string): Promise<number>;
  exec(container: string, ...command: string[]): string;
  /** Runs a statement as the superuser. @returns its result, one row on each line. */
  sql(container: string, statement: string): string;
  /** The only container of a workload. */
  one(workload: string): Promise<string>;
  /** The host names of the running replicas. */
  hosts(): Promise<string[]>;
  /** All containers of the stack, including those that have ended. */
  everyContainer(): Promise<string[]>;
  remove(): Promise<void>;
}

export async function createStackEnvironment(
  name: string,
  config: Readonly<Record<string, unknown>>,
): Promise<StackEnvironment> {
  const checkout = createCheckout();
  const stack = await createStack(checkout, config, name);
  const originals = new Map<string, string | undefined>();
  let version = 0;
  const write = (path: string, content: string, original: string | undefined): void => {
    if (!originals.has(path)) originals.set(path, original);
    writeFileSync(join(checkout, path), content);
  };
  const environment: StackEnvironment = {
    stack,
    url: stack.https,
    async direct() {
      const { NetworkSettings } = await docker.getContainer(await environment.one("edge")).inspect();
      const address = NetworkSettings.Networks[`omniai-${stack.name}-public`]?.IPAddress;
      if (!address) throw new Error("the edge has no address of its own");
      return `${address}:8443`;
    },
    async succeed(command, ...args) {
      const result = await stack.run(command, ...args);
      if (result.code !== 0) throw new Error(`${command} failed:\n${result.output}`);
      return result;
    },
    edit(path, change) {
      const before = readFileSync(join(checkout, path), "utf8");
      const after = change(before);
      if (after === before) throw new Error(`${path} does not contain what this scenario changes in it`);
      write(path, after, before);
    },
    add: (path, content) => write(path, content, undefined),
    restore() {
      for (const [path, content] of originals) {
        if (content === undefined) execFileSync("rm", ["-f", join(checkout, path)]);
        else writeFileSync(join(checkout, path), content);
      }
      originals.clear();
    },
    newVersion() {
      version += 1;
      writeFileSync(join(checkout, "service/src/build-marker.ts"), `export const marker = ${version};\n`);
    },
    pidOf: async (container) => (await docker.getContainer(container).inspect()).State.Pid,
    exec: (container, ...command) =>
      execFileSync("docker", ["exec", container, ...command], {
        encoding: "utf8",
        maxBuffer: 2 ** 28,
        stdio: ["ignore", "pipe", "pipe"],
      }),
    sql: (container, statement) =>
      environment.exec(
        container,
        ...["psql", "-X", "-At", "-U", "postgres", "-d", "omniai", "-v", "ON_ERROR_STOP=1", "-c", statement],
      ),
    async one(workload) {
      const [found] = await stack.containers(workload);
      if (found === undefined) throw new Error(`no container of ${workload} runs`);
      return found;
    },
    async hosts() {
      const names = await stack.containers("backend");
      return Promise.all(
        names.map(async (name) => (await docker.getContainer(name).inspect()).Config.Hostname),
      );
    },
    async storedRows(run) {
      const statement = `SELECT client FROM client_reports WHERE client LIKE '${run}-%'`;
      const text = environment.sql(await environment.one("postgres"), statement);
      return parseRows(text, run);
    },
    watch: () => watchReplicas(stack),
    async everyContainer() {
      const filters = { label: [`io.omniai.stack=${stack.name}`] };
      const found = await docker.listContainers({ all: true, filters });
      return found.map(({ Names, Status }) => `${(Names[0] ?? "").slice(1)} (${Status})`).sort();
    },
    async remove() {
      await stack.remove();
      removeCheckout(checkout);
    },
  };
  return environment;
}

/** Checks the replicas twice a second until it is stopped. */
function watchReplicas(stack: TestStack): { stop(): readonly ReplicaSample[] } {
  const samples: ReplicaSample[] = [];
  let isStopped = false;
  const look = async (): Promise<void> => {
    const label = [`io.omniai.stack=${stack.name}`, "io.omniai.workload=backend"];
    while (!isStopped) {
      await docker.listContainers({ filters: { label } }).then(
        (found) => {
          const healthy = found.filter(({ Status }) => Status.includes("(healthy)")).length;
          samples.push({ at: Date.now(), running: found.length, healthy });
        },
        // This scenario may be the one that stops the engine.
        () => samples.push({ at: Date.now(), running: 0, healthy: 0 }),
      );
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };
  void look();
  return {
    stop() {
      isStopped = true;
      return samples;
    },
  };
}
