/** People and runners who work on the same stack in a box: each with a checkout of their own, with one state between them. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCheckout, removeCheckout } from "../checkout.ts";
import { startCommandIn, type CommandResult, type RunningCommand } from "../stack.ts";
import { edgePorts, type Box } from "./box.ts";

/** Somebody with a checkout, who works on the same stack as others. */
export interface Operator {
  readonly checkout: string;
  /** The environment that its commands run in. */
  readonly env: NodeJS.ProcessEnv;
  start(command: string, ...args: string[]): RunningCommand;
  run(command: string, ...args: string[]): Promise<CommandResult>;
  /** The same, with the programs that the command itself has started, a line each. */
  counted(
    command: string,
    ...args: string[]
  ): Promise<CommandResult & { readonly starts: readonly string[] }>;
  /** Sets config keys of the stack in its checkout, and keeps all others that somebody has set. */
  configure(config: Record<string, unknown>): void;
}

export interface Team {
  /** A new checkout, with an empty `.state`. */
  operator(more?: NodeJS.ProcessEnv): Operator;
  /** What git does between two operators: sources and the stack's file. */
  pull(to: Operator, from: Operator): void;
  /** The config of the stack, as it was set last. */
  readonly config: Record<string, unknown>;
  /** Where commands put their temporary files. */
  readonly folder: string;
  remove(): void;
}

/** Loaded into each command, to count what it starts. */
const COUNTER = join(import.meta.dirname, "../count-starts.mjs");

/** @param state the variables of the shared state: PULUMI_BACKEND_URL and what belongs to it. */
export function startTeam(box: Box, stack: string, state: NodeJS.ProcessEnv): Team {
  const folder = mkdtempSync(join(tmpdir(), "omniai-team-"));
  const starts = join(folder, "starts");
  const config: Record<string, unknown> = {
    dockerHost: `ssh://deploy@127.0.0.1:${box.sshPort}`,
    hostKey: box.hostKey,
    hostPrepare: true,
    hostAddress: "127.0.0.1",
    hostUser: "deploy",
    hostPort: box.sshPort,
    // The box's ports are this machine's loopback alone.
    bindAddress: "0.0.0.0",
    httpPort: edgePorts.http,
    httpsPort: edgePorts.https,
  };
  const checkouts: string[] = [];
  const fileOf = (checkout: string): string => join(checkout, `Pulumi.${stack}.yaml`);
  /** The salt of the stack's secrets, which Pulumi wrote into the file of whoever deployed first. */
  const saltOf = (checkout: string): string =>
    existsSync(fileOf(checkout))
      ? (/^encryptionsalt: .*\n/m.exec(readFileSync(fileOf(checkout), "utf8"))?.[0] ?? "")
      : "";

  return {
    config,
    folder,
    operator(more = {}) {
      const checkout = createCheckout();
      checkouts.push(checkout);
      const env = { ...box.env, ...state, PULUMI_CONFIG_PASSPHRASE: "test", TMPDIR: folder, ...more };
      const startIn = (
        environment: NodeJS.ProcessEnv,
        command: string,
        args: readonly string[],
      ): RunningCommand => startCommandIn(environment, checkout, command, "--stack", stack, ...args);
      const operator: Operator = {
        checkout,
        env,
        start: (command, ...args) => startIn(env, command, args),
        run: (command, ...args) => operator.start(command, ...args).done,
        async counted(command, ...args) {
          const counting = {
            ...env,
            NODE_OPTIONS: `--import=file://${COUNTER}`,
            OMNIAI_TEST_STARTS: starts,
          };
          writeFileSync(starts, "");
          const result = await startIn(counting, command, args).done;
          const lines = readFileSync(starts, "utf8").split("\n");
          return { ...result, starts: lines.filter((line) => line !== "") };
        },
        configure(changes) {
          Object.assign(config, changes);
          const lines = Object.entries(config).map(
            ([key, value]) => `  omniai:${key}: ${JSON.stringify(value)}\n`,
          );
          writeFileSync(fileOf(checkout), `${saltOf(checkout)}config:\n${lines.join("")}`);
        },
      };
      return operator;
    },
    pull(to, from) {
      cpSync(fileOf(from.checkout), fileOf(to.checkout));
      cpSync(join(from.checkout, "service/src"), join(to.checkout, "service/src"), { recursive: true });
    },
    remove() {
      checkouts.forEach(removeCheckout);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
