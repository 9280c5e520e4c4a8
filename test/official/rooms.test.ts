/**
 * What a plain stack has no part of, with the official plugins: every stack of these comes up, has nothing to change then, no
 * drift, and goes to the stand-ins and back unchanged.
 */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaults } from "../../infra/test/defaults.ts";
import { imageNames, readSettings } from "../../ops/stack/settings.ts";
import {
  certificateFor,
  startTlsPostgres,
  startTlsRedis,
  TlsFiles,
} from "../../service/test/support/tls-servers.ts";
import { freePort } from "../../tools/host/free-port.ts";
import { reachableAddress } from "../support/addresses.ts";
import { startReceiver } from "../support/alert-receiver.ts";
import { ACCESS_KEY, BUCKET, BucketServer, SECRET_KEY } from "../support/backup-room/bucket.ts";
import { loadImages } from "../support/box/machine.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { setSecret } from "../support/stack-secrets.ts";
import { createStack, type TestStack } from "../support/stack.ts";
import { startLab } from "../support/swarm/lab.ts";
import { configOnLab } from "../support/swarm/stack.ts";
import { goesThereAndBack, good, hasOfficialDocker, unchanged } from "./plugins.ts";

/** Something to undo when a stack's tests are over, whatever became of them; the last one comes first. */
type Undo = (undo: () => unknown) => void;

const ADDRESS = reachableAddress();
const quick = { switchSeconds: 5, drainSeconds: 2, backendStartSeconds: 10 };

/** With the monitoring, web push, backups, and an address of each family. */
async function watched(checkout: string, undo: Undo): Promise<TestStack> {
  const receiver = await startReceiver();
  undo(() => receiver.close());
  const stack = await createStack(checkout, {
    ...quick,
    bindAddressIpv6: "::1",
    backups: "always",
    monitoring: "always",
    alertReceivers: [{ kind: "webhook" }],
    authMode: "both",
    corsOrigins: ["https://page.example"],
    webPush: true,
    webPushContact: "mailto:ops@example.org",
  });
  undo(() => stack.remove());
  setSecret(stack, "omniai:alertReceivers[0].secret", `${receiver.url}/hook`);
  return stack;
}

/** On a PostgreSQL that others run, whose dumps go off-site, and a Redis that others run. */
async function external(checkout: string, undo: Undo): Promise<TestStack> {
  const { config, postgresUrl, redisUrl } = await startServers(undo);
  const name = `omniai-test-bucket-${process.pid}`;
  const image = String(defaults["postgresImage"]);
  const { server, endpoint } = await BucketServer.createAlone(image, name, await freePort());
  undo(() => server.remove());
  const stack = await createStack(checkout, {
    ...quick,
    ...config,
    offsiteBucket: `${endpoint}/${BUCKET}`,
    offsiteAccessKeyId: ACCESS_KEY,
  });
  undo(() => stack.remove());
  setSecret(stack, "omniai:databaseSecretUrl", postgresUrl);
  setSecret(stack, "omniai:redisSecretUrl", redisUrl);
  setSecret(stack, "omniai:offsiteSecretKey", SECRET_KEY);
  good(await stack.run("backup", "key", "--json"));
  return stack;
}

/** On a swarm of two machines. */
async function swarm(checkout: string, undo: Undo): Promise<TestStack> {
  const { config, postgresUrl, redisUrl } = await startServers(undo);
  const lab = await startLab(1);
  // The swarm is gone with its machines.
  undo(() => lab.remove());
  const stack = await createStack(checkout, {
    ...quick,
    ...config,
    ...configOnLab(lab),
  });
  await loadImages(imageNames("dev", readSettings(checkout, stack.name).config), lab.manager.container);
  setSecret(stack, "omniai:databaseSecretUrl", postgresUrl);
  setSecret(stack, "omniai:redisSecretUrl", redisUrl);
  return stack;
}

/** A PostgreSQL and a Redis outside of any stack, by TLS. */
async function startServers(undo: Undo) {
  const files = new TlsFiles();
  undo(() => files.remove());
  const authority = readFileSync(await certificateFor(files, "server", [ADDRESS]), "utf8");
  const postgres = await startTlsPostgres(files, "server", ADDRESS);
  undo(() => postgres.remove());
  const redis = await startTlsRedis(files, "server", { address: ADDRESS });
  undo(() => redis.remove());
  const config = {
    database: "external",
    databaseAuthority: authority,
    redis: "external",
    redisAuthority: authority,
  };
  return {
    config,
    postgresUrl: `postgres://tenant:test@${ADDRESS}:${postgres.port}/shop`,
    redisUrl: `rediss://:test@${ADDRESS}:${redis.port}`,
  };
}

const STACKS = [
  ["that is watched, pushes alerts to browsers and has an address of each family", watched],
  ["on servers that others run, with dumps", external],
  ["on a swarm", swarm],
] as const;

for (const [what, create] of STACKS) {
  describe(`with the official plugins, a stack ${what}`, function () {
    this.timeout(900_000);
    const undone: (() => unknown)[] = [];
    const undo: Undo = (step) => void undone.unshift(step);
    let checkout: string;
    let stack: TestStack;

    before(async function () {
      if (!(await hasOfficialDocker())) this.skip();
      checkout = createCheckout();
      undo(() => removeCheckout(checkout));
      stack = await create(checkout, undo);
    });
    after(async () => {
      for (const step of undone) await step();
    });

    it("comes up, and has nothing to change then", async () => {
      good(await stack.run("up", "--yes"));
      unchanged(await stack.run("up", "--yes"));
    });

    it("has no drift", async () => good(await stack.run("drift")));

    it("has nothing to change after a changed service, either", async () => {
      appendFileSync(join(checkout, "service/src/main.ts"), "\n// another version\n");
      good(await stack.run("up", "--yes"));
      unchanged(await stack.run("up", "--yes"));
      good(await stack.run("drift"));
    });

    it("scales, and has nothing to change then", async () => {
      // In the stack's file, which has secrets that `configure` does not know.
      const file = join(checkout, `Pulumi.${stack.name}.yaml`);
      const lines = readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => !line.includes("omniai:backendReplicas:"));
      writeFileSync(file, lines.join("\n").replace("config:\n", "config:\n  omniai:backendReplicas: 3\n"));
      good(await stack.run("up", "--yes"));
      unchanged(await stack.run("up", "--yes"));
    });

    it("switches to the stand-ins and back, and nothing changes either way", async function () {
      if (!(await goesThereAndBack(stack))) this.skip();
    });

    it("is taken down with its data", async () => {
      good(await stack.run("down", "--delete-data", "--delete-backups", "--yes"));
    });
  });
}
