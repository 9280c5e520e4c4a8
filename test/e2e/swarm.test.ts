/**
 * A stack on a swarm of three machines, with PostgreSQL and Redis outside of it, while machines come and go. Clients ask the
 * edge of two machines at the same time, as a load balancer or a tunnel in front of them does.
 */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { call, eventually } from "../support/http.ts";
import { tellFailure } from "../support/load.ts";
import type { TestStack } from "../support/stack.ts";
import {
  assertNothingLost,
  assertOnlyInFlight,
  BACK_SECONDS,
  resultsDuring,
  type Clients,
} from "../support/swarm/clients.ts";
import type { Lab } from "../support/swarm/lab.ts";
import type { Machine } from "../support/swarm/machine.ts";
import { startSwarmStack, succeeded as good, type SwarmStack } from "../support/swarm/stack.ts";
import { assertNothingDropped, type TrafficResult } from "../support/traffic.ts";
import { testCommands } from "./swarm/commands.ts";
import { testNodes } from "./swarm/nodes.ts";

/** How long the network between machines is cut, in seconds: for longer than the swarm waits for a node's sign of life. */
const CUT_SECONDS = 30;
/** How long a database is away, in seconds: for longer than a health check takes to fail. */
const AWAY_SECONDS = 30;
/** How long all is well before, in seconds. */
const QUIET_SECONDS = 2;
/** How often the planned changes are made, one after the other: a request that is lost once in a thousand is not seen at once. */
const RUNS = Number(process.env["OMNIAI_TEST_SWARM_RUNS"] ?? 1) || 1;

describe("a stack on a swarm", function () {
  this.timeout(600_000);
  let swarm: SwarmStack;
  let lab: Lab;
  let stack: TestStack;

  before(async () => {
    swarm = await startSwarmStack();
    ({ lab, stack } = swarm);
  });
  // The swarm is gone with its machines.
  after(() => swarm?.remove());

  const up = (): Promise<void> => swarm.up();
  const placesOf = (workload: "backend" | "edge"): string[] => swarm.placesOf(workload);
  const serving = (count: number, seconds?: number): Promise<true> => swarm.serving(count, seconds);
  const whole = (): Promise<void> => swarm.whole();

  const during = (clients: readonly Clients[], work: () => Promise<void>): Promise<TrafficResult[]> =>
    resultsDuring(swarm, clients, work);
  const clientsOf = (machines: readonly Machine[]): Clients[] => machines.map((of) => ({ of }));
  /** Clients of these machines, and those of one that is about to lose its power, who go on at these. */
  const withLost = (lost: Machine, others: readonly Machine[]): Clients[] => [
    ...clientsOf(others),
    { of: lost, instead: others, streams: 0 },
  ];
  const nothingLost = (machines: readonly Machine[], work: () => Promise<void>): Promise<void> =>
    assertNothingLost(swarm, machines, work);

  it("is deployed to all of its machines, and a second deploy changes nothing", async () => {
    await up();
    assert.deepEqual(placesOf("edge").sort(), ["manager", "worker-1", "worker-2"]);
    await serving(2);
    const again = await stack.run("up", "--yes");
    good(again);
    assert.match(again.output, /\d+ unchanged/);
    assert.doesNotMatch(again.output, /\d+ (created|updated|replaced|deleted)/);
  });

  for (let run = 1; run <= RUNS; run++) {
    const again = run === 1 ? "" : `, time ${run}`;

    it(`loses no request and no event while the service is replaced and scaled${again}`, async () => {
      try {
        await nothingLost(lab.machines.slice(0, 2), async () => {
          swarm.newVersion();
          await up();
          swarm.set("backendReplicas", 6);
          await up();
          await serving(6);
          swarm.set("backendReplicas", 2);
          await up();
          await serving(2);
        });
      } finally {
        // As the tests after this one have it, where it broke off; what broke is told by the error.
        if (placesOf("backend").length !== 2) {
          swarm.set("backendReplicas", 2);
          await stack.run("up", "--yes");
        }
      }
    });

    it(`loses nothing while a machine is drained${again}`, async () => {
      const [first, second] = lab.workers as [Machine, Machine];
      try {
        await nothingLost([lab.manager, first], async () => {
          good(await stack.run("node", "drain", second.name));
          assert.ok(!placesOf("backend").includes(second.name));
          assert.ok(!placesOf("edge").includes(second.name));
          await serving(2);
        });
      } finally {
        lab.manager.docker("node", "update", "--availability", "active", second.name);
      }
      await whole();
    });
  }

  testCommands(() => ({ lab, stack, urlOf: (machine) => swarm.urlOf(machine), serving, whole }), nothingLost);

  it(`serves again within ${BACK_SECONDS} s when a worker is lost, and loses no acknowledged event`, async () => {
    const lost = await swarm.withReplica(lab.workers);
    const others = lab.machines.filter((machine) => machine !== lost);
    let at = 0;
    try {
      const results = await during(withLost(lost, others), async () => {
        await sleep(QUIET_SECONDS * 1000);
        at = Date.now();
        lost.cutPower();
        await eventually("a lost machine", 60, () => lab.states()[lost.name] === "Down");
        await serving(2, 90);
      });
      results.forEach((result) => assertOnlyInFlight(result, at));
    } finally {
      await lost.restorePower();
    }
    await whole();
  });

  it(`loses only what was in flight when a worker is cut off from the others for ${CUT_SECONDS} s`, async () => {
    const { others, own, cutAt, healedAt } = await cutOff((machines) =>
      machines.map(({ address }) => address),
    );
    others.forEach((result) => assertOnlyInFlight(result, cutAt));
    // Its replica reaches PostgreSQL and Redis as before: whoever comes by its edge is served by that alone. Then the swarm ends both,
    // having others by now, and begins another edge.
    assertOnlyInFlight(own, cutAt, healedAt);
  });

  it("says so on the edge of a worker that is cut off from the databases as well, and acknowledges nothing that is lost", async () => {
    const readiness: number[] = [];
    const { others, own, cutAt, healedAt } = await cutOff(
      (machines) => [...machines.map(({ address }) => address), swarm.outside],
      async (lost) => {
        readiness.push((await call(`${swarm.urlOf(lost)}/readyz`)).status);
      },
    );
    others.forEach((result) => assertOnlyInFlight(result, cutAt));
    // What stands before the edges learns by it where to send nobody.
    assert.ok(readiness.length > 0 && readiness.every((status) => status >= 500), readiness.join(", "));
    const unanswered = own.failures.filter(
      ({ status, at }) => status === 0 && at > cutAt + BACK_SECONDS * 1000,
    );
    assert.deepEqual(unanswered.map(tellFailure), [], "requests had no answer, though its edge was reached");
    const afterwards = own.failures.filter(({ at }) => at >= healedAt);
    assertOnlyInFlight({ ...own, failures: afterwards }, healedAt);
  });

  it("serves on while its only manager is lost, and can be deployed when it is back", async () => {
    let at = 0;
    const results = await during(withLost(lab.manager, lab.workers), async () => {
      await sleep(QUIET_SECONDS * 1000);
      at = Date.now();
      lab.manager.cutPower();
      await sleep(20_000);
      await lab.manager.restorePower();
      await whole();
      await serving(2, 90);
    });
    results.forEach((result) => assertOnlyInFlight(result, at));
    swarm.newVersion();
    await up();
    await serving(2);
  });

  it(`keeps its replicas while PostgreSQL is away for ${AWAY_SECONDS} s, which answer what needs none`, async () => {
    const tasks = (): string[] =>
      lab.manager
        .docker("service", "ps", "--quiet", "--filter", "desired-state=running", swarm.services.backend)
        .split("\n")
        .sort();
    const before = tasks();
    const results = await during(clientsOf(lab.workers), async () => {
      await swarm.postgres.pause();
      try {
        await sleep(AWAY_SECONDS * 1000);
      } finally {
        await swarm.postgres.unpause();
      }
      assert.deepEqual(tasks(), before, "replicas were replaced");
    });
    // Half of the requests are GET /api/diag, which says that it is away, the others are events, which Redis has.
    results.forEach(assertNothingDropped);
  });

  // In groups of their own, because these come after every test above.
  describe("with `npm run node`", () => testNodes(() => swarm));

  describe("at its end", () => {
    it("is taken down", async () => {
      good(await stack.run("down", "--delete-data", "--yes"));
      assert.equal(lab.manager.docker("service", "ls", "--quiet"), "");
      assert.equal(lab.manager.docker("secret", "ls", "--quiet"), "");
    });
  });

  /**
   * Cuts the network between a worker with a replica and others, while clients ask every machine by a way of their own.
   * @param from what it is cut off from, given the other machines. @param meanwhile is called for as long as the promise holds
   */
  async function cutOff(
    from: (others: readonly Machine[]) => readonly string[],
    meanwhile: (lost: Machine) => Promise<void> = () => Promise.resolve(),
  ): Promise<{ others: TrafficResult[]; own: TrafficResult; cutAt: number; healedAt: number }> {
    const lost = await swarm.withReplica(lab.workers);
    const others = lab.machines.filter((machine) => machine !== lost);
    let [cutAt, healedAt] = [0, 0];
    const act = async (): Promise<void> => {
      await sleep(QUIET_SECONDS * 1000);
      cutAt = Date.now();
      lost.cutFrom(from(others));
      try {
        await sleep(BACK_SECONDS * 1000);
        while (Date.now() < cutAt + CUT_SECONDS * 1000) {
          await meanwhile(lost);
          await sleep(1000);
        }
      } finally {
        lost.heal();
        healedAt = Date.now();
      }
      await whole();
      await serving(2, 90);
      // Until somebody would notice that it does not serve again.
      await sleep(Math.max(0, healedAt + (BACK_SECONDS + QUIET_SECONDS) * 1000 - Date.now()));
    };
    // The swarm has taken the machine for lost, so it replaces the edge there as well. Its clients go on at the others meanwhile.
    const results = await during([...clientsOf(others), { of: lost, instead: others }], act);
    return { others: results.slice(0, -1), own: results.at(-1) as TrafficResult, cutAt, healedAt };
  }
});
