/** A stack on a lab, deployed by the operator's command, with PostgreSQL and Redis outside of the machines. */
import { strict as assert } from "node:assert";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageNames, readSettings } from "../../../ops/stack/settings.ts";
import type { TestServer } from "../../../service/test/support/servers.ts";
import {
  certificateFor,
  startTlsPostgres,
  startTlsRedis,
  TlsFiles,
} from "../../../service/test/support/tls-servers.ts";
import { reachableAddress } from "../addresses.ts";
import { loadImages } from "../box/machine.ts";
import { createCheckout, removeCheckout } from "../checkout.ts";
import { setSecret } from "../stack-secrets.ts";
import { createStack, type CommandResult, type TestStack } from "../stack.ts";
import { startLab, type Lab } from "./lab.ts";
import type { Machine } from "./machine.ts";
import { watchServices, type Services } from "./services.ts";

export interface SwarmStack extends Services {
  readonly lab: Lab;
  readonly stack: TestStack;
  readonly checkout: string;
  /** Its database is `shop`. */
  readonly postgres: TestServer;
  /** Where PostgreSQL and Redis are: the address of this machine, which no cut between machines of the lab concerns. */
  readonly outside: string;
  /** Deploys what the checkout and the stack's file have. @throws AssertionError with what the command said */
  up(): Promise<void>;
  /** Changes the service so that its image is another one and behaves as before. */
  newVersion(): void;
  /** Sets a config key that the stack has already, for the next deploy. @throws AssertionError where it has not */
  set(key: string, value: number): void;
  /** The edge of a machine. */
  urlOf(machine: Machine): string;
  /** Removes the machines, and with them the stack. */
  remove(): Promise<void>;
}

export const HTTPS_PORT = 8443;

/** What every stack on a lab is configured with. */
export const configOnLab = ({ registry, manager, machines }: Lab): Readonly<Record<string, unknown>> => ({
  platform: "swarm",
  registry: registry.address,
  // ESP, which that takes, is not in every kernel.
  overlayEncrypted: false,
  dockerHost: manager.host,
  monitoring: "never",
  bindAddress: "0.0.0.0",
  edgeHosts: machines.map((machine) => machine.address),
  httpPort: 8080,
  httpsPort: HTTPS_PORT,
  backendReplicas: 2,
});

/** @throws AssertionError where the command failed */
export const succeeded = ({ code, output }: CommandResult): void => assert.equal(code, 0, output);

/** Nothing is deployed yet. @param config what differs from the suite's own */
export async function startSwarmStack(config: Readonly<Record<string, unknown>> = {}): Promise<SwarmStack> {
  const files = new TlsFiles();
  const removals: (() => unknown)[] = [() => files.remove()];
  const remove = async (): Promise<void> => {
    for (const removal of removals.splice(0).reverse()) await removal();
  };
  try {
    return await start(config, files, removals, remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function start(
  config: Readonly<Record<string, unknown>>,
  files: TlsFiles,
  removals: (() => unknown)[],
  remove: () => Promise<void>,
): Promise<SwarmStack> {
  const outside = reachableAddress();
  const authority = readFileSync(await certificateFor(files, "server", [outside]), "utf8");
  const removedLater = <T extends { remove(): unknown }>(started: T): T => {
    removals.push(() => started.remove());
    return started;
  };
  const [postgres, redis, lab] = await Promise.all([
    startTlsPostgres(files, "server", outside).then(removedLater),
    startTlsRedis(files, "server", { address: outside }).then(removedLater),
    startLab(2).then(removedLater),
  ]);
  const checkout = createCheckout();
  removals.push(() => removeCheckout(checkout));
  const stack = await createStack(checkout, {
    ...configOnLab(lab),
    // Several begin at once, on the cores of one machine.
    backendStartSeconds: 20,
    switchSeconds: 5,
    drainSeconds: 2,
    database: "external",
    databaseAuthority: authority,
    redis: "external",
    redisAuthority: authority,
    ...config,
  });
  await loadImages(imageNames("dev", readSettings(checkout, stack.name).config), lab.manager.container);
  setSecret(stack, "omniai:databaseSecretUrl", `postgres://tenant:test@${outside}:${postgres.port}/shop`);
  setSecret(stack, "omniai:redisSecretUrl", `rediss://:test@${outside}:${redis.port}`);

  let version = 0;
  return {
    ...watchServices(lab, {
      backend: `omniai-${stack.name}-backend`,
      edge: `omniai-${stack.name}-edge`,
    }),
    ...{ lab, stack, checkout, postgres, outside, remove },
    up: async () => succeeded(await stack.run("up", "--yes")),
    newVersion: () =>
      appendFileSync(join(checkout, "service/src/main.ts"), `// Version ${++version} of this run.\n`),
    set(key, value) {
      // In the stack's file, which has the secrets as well.
      const file = join(checkout, `Pulumi.${stack.name}.yaml`);
      const text = readFileSync(file, "utf8");
      const line = new RegExp(`(omniai:${key}:) "?\\d+"?`);
      assert.match(text, line);
      writeFileSync(file, text.replace(line, `$1 ${value}`));
    },
    urlOf: ({ address }) => `https://${address}:${HTTPS_PORT}`,
  };
}
