/**
 * A stack on a swarm of three machines, with PostgreSQL and Redis outside of it, while machines come and go. Clients ask the
 * edge of two machines at the same time, as a load balancer or a tunnel in front of them does.
 */
import { strict as assert } from "node:assert";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  certificateFor,
  startTlsPostgres,
  startTlsRedis,
  TlsFiles,
} from "../../service/test/support/tls-servers.ts";
import type { TestServer } from "../../service/test/support/servers.ts";
import { loadImages } from "../support/box/machine.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { eventually } from "../support/http.ts";
import { reachableAddress } from "../support/addresses.ts";
import { setSecret } from "../support/stack-secrets.ts";
import { tellFailure } from "../support/load.ts";
import { createStack, type CommandResult, type TestStack } from "../support/stack.ts";
import { startLab, type Lab } from "../support/swarm/lab.ts";
import type { Machine } from "../support/swarm/machine.ts";
import { startWitness } from "../support/swarm/witness.ts";
import { assertNothingDropped, startTraffic, type TrafficResult } from "../support/traffic.ts";
import { imageNames, readSettings } from "../../ops/stack/settings.ts";
import { testCommands } from "./swarm/commands.ts";

const RATE = 20;
const STREAMS = 3;
const HTTPS_PORT = 8443;
/** How soon requests succeed again after a machine was lost, in seconds. */
const BACK_SECONDS = 15;
/** How long all is well before, in seconds. */
const QUIET_SECONDS = 2;

const good = ({ code, output }: CommandResult): void => assert.equal(code, 0, output);

describe("a stack on a swarm", function () {
  this.timeout(600_000);
  const files = new TlsFiles();
  let checkout: string;
  let lab: Lab;
  let stack: TestStack;
  let postgres: TestServer;
  let redis: TestServer;

  before(async () => {
    const address = reachableAddress();
    const authority = readFileSync(await certificateFor(files, "server", [address]), "utf8");
    [postgres, redis, lab] = await Promise.all([
      startTlsPostgres(files, "server", address),
      startTlsRedis(files, "server", { address }),
      startLab(2),
    ]);
    checkout = createCheckout();
    stack = await createStack(checkout, {
      platform: "swarm",
      registry: lab.registry.address,
      // ESP, which that takes, is not in every kernel.
      overlayEncrypted: false,
      dockerHost: lab.manager.host,
      monitoring: "never",
      bindAddress: "0.0.0.0",
      edgeHosts: lab.machines.map((machine) => machine.address),
      httpPort: 8080,
      httpsPort: HTTPS_PORT,
      backendReplicas: 2,
      backendStartSeconds: 10,
      switchSeconds: 5,
      drainSeconds: 2,
      database: "external",
      databaseAuthority: authority,
      redis: "external",
      redisAuthority: authority,
    });
    await loadImages(imageNames("dev", readSettings(checkout, stack.name).config), lab.manager.container);
    setSecret(stack, "omniai:databaseSecretUrl", `postgres://tenant:test@${address}:${postgres.port}/shop`);
    setSecret(stack, "omniai:redisSecretUrl", `rediss://:test@${address}:${redis.port}`);
  });
  after(async () => {
    // The swarm is gone with its machines.
    lab?.remove();
    await Promise.all([postgres?.remove(), redis?.remove()]);
    if (checkout !== undefined) removeCheckout(checkout);
    files.remove();
  });

  /** In the stack's file, which has the secrets as well. */
  function scale(replicas: number): void {
    const file = join(checkout, `Pulumi.${stack.name}.yaml`);
    const text = readFileSync(file, "utf8");
    const changed = text.replace(/(omniai:backendReplicas:) "?\d+"?/, `$1 ${replicas}`);
    assert.notEqual(changed, text);
    writeFileSync(file, changed);
  }
  const up = async (): Promise<void> => good(await stack.run("up", "--yes"));
  const urlOf = ({ address }: Machine): string => `https://${address}:${HTTPS_PORT}`;
  /** The machine of each task of the replicas that runs and should. */
  const placesOf = (workload: string, ask = lab.manager): string[] =>
    ask
      .docker(
        ...["service", "ps", "--filter", "desired-state=running", "--format", "{{.Node}} {{.CurrentState}}"],
        `omniai-${stack.name}-${workload}`,
      )
      .split("\n")
      .filter((line) => / Running /.test(line))
      .map((line) => line.split(" ")[0] ?? "");
  const serving = (count: number, seconds = 60): Promise<true> =>
    eventually(`${count} replicas`, seconds, () => placesOf("backend").length === count || undefined);

  /** Waits until every machine is in the swarm, with an edge. */
  async function whole(): Promise<void> {
    const isReady = (state: string): boolean => state === "Ready";
    await eventually("all machines", 90, () => Object.values(lab.states()).every(isReady));
    await eventually("an edge on each", 60, () => placesOf("edge").length === lab.machines.length);
  }

  /** What clients of these machines got while something happened. */
  async function during(machines: readonly Machine[], work: () => Promise<void>): Promise<TrafficResult[]> {
    const all = await Promise.all(machines.map((machine) => startTraffic(urlOf(machine), RATE, STREAMS)));
    // Stopped in any case, or it would go on while the next test runs.
    const broken = await work().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const results = await Promise.all(all.map((traffic) => traffic.stop()));
    if (broken !== undefined) throw broken.error;
    return results;
  }

  /** The same for what is planned: nothing fails. What does is told with all that happened around it. */
  async function nothingLost(machines: readonly Machine[], work: () => Promise<void>): Promise<void> {
    const witness = startWitness(
      lab,
      ["edge", "backend"].map((workload) => `omniai-${stack.name}-${workload}`),
    );
    try {
      const results = await during(machines, work);
      const failures = results.flatMap((result) => result.failures);
      if (failures.length > 0) console.log(witness.explain(failures));
      results.forEach(assertNothingDropped);
    } finally {
      witness.stop();
    }
  }

  it("is deployed to all of its machines, and a second deploy changes nothing", async () => {
    await up();
    assert.deepEqual(placesOf("edge").sort(), ["manager", "worker-1", "worker-2"]);
    await serving(2);
    const again = await stack.run("up", "--yes");
    good(again);
    assert.match(again.output, /\d+ unchanged/);
    assert.doesNotMatch(again.output, /\d+ (created|updated|replaced|deleted)/);
  });

  it("loses no request and no event while the service is replaced and scaled", async () => {
    await nothingLost(lab.machines.slice(0, 2), async () => {
      appendFileSync(join(checkout, "service/src/main.ts"), "// Another version.\n");
      await up();
      scale(4);
      await up();
      await serving(4);
      scale(2);
      await up();
      await serving(2);
    });
  });

  it("loses nothing while a machine is drained", async () => {
    const [first, second] = lab.workers as [Machine, Machine];
    await nothingLost([lab.manager, first], async () => {
      good(await stack.run("node", "drain", second.name));
      assert.ok(!placesOf("backend").includes(second.name));
      assert.ok(!placesOf("edge").includes(second.name));
      await serving(2);
    });
    lab.manager.docker("node", "update", "--availability", "active", second.name);
    await whole();
  });

  testCommands(() => ({ lab, stack, urlOf, serving, whole }), nothingLost);

  it(`serves again within ${BACK_SECONDS} s when a worker is lost, and loses no acknowledged event`, async () => {
    const lost = await machineWithReplica(lab.workers);
    const others = lab.machines.filter((machine) => machine !== lost);
    const results = await during(others, async () => {
      await sleep(QUIET_SECONDS * 1000);
      lost.cutPower();
      await eventually("a lost machine", 60, () => lab.states()[lost.name] === "Down");
      await serving(2, 90);
    });
    results.forEach(assertOnlyInFlight);
    await lost.restorePower();
    await whole();
  });

  it("serves on while its only manager is lost, and can be deployed when it is back", async () => {
    const results = await during(lab.workers, async () => {
      await sleep(QUIET_SECONDS * 1000);
      lab.manager.cutPower();
      await sleep(20_000);
      await lab.manager.restorePower();
      await whole();
      await serving(2, 90);
    });
    results.forEach(assertOnlyInFlight);
    appendFileSync(join(checkout, "service/src/main.ts"), "// And another one.\n");
    await up();
    await serving(2);
  });

  it("is taken down", async () => {
    good(await stack.run("down", "--delete-data", "--yes"));
    assert.equal(lab.manager.docker("service", "ls", "--quiet"), "");
    assert.equal(lab.manager.docker("secret", "ls", "--quiet"), "");
  });

  /** A machine of these that has a replica; one is moved there where none has. */
  async function machineWithReplica(machines: readonly Machine[]): Promise<Machine> {
    const place = placesOf("backend");
    const found = machines.find(({ name }) => place.includes(name));
    if (found !== undefined) return found;
    lab.manager.docker("service", "update", "--force", "--quiet", `omniai-${stack.name}-backend`);
    return machineWithReplica(machines);
  }
});

/** What was in flight on a lost machine may fail; acknowledged events are all there, once and in order. */
function assertOnlyInFlight(result: TrafficResult): void {
  const late = result.failures.filter(({ seconds }) => seconds > QUIET_SECONDS + BACK_SECONDS);
  assert.deepEqual(late.map(tellFailure), [], `requests still failed ${BACK_SECONDS} s after the loss`);
  console.log(`      ${result.failures.length} of ${result.sent} requests failed`);
  assertNothingDropped({ ...result, failures: [], refusals: 0 });
}
