/** A real stack that is watched: nobody is told of what the operator does to it, though the monitoring sees it. */
import { strict as assert } from "node:assert";
import { MAINTENANCE, OPERATION_RUNNING } from "../../infra/components/monitoring/dashboards.ts";
import { findMonitoring, queryMetrics } from "../../ops/engine/monitoring.ts";
import { startReceiver, type AlertReceiver } from "../support/alert-receiver.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call, eventually } from "../support/http.ts";
import { createStack, docker, type TestStack } from "../support/stack.ts";
import { untilAtRest } from "../support/own-backups.ts";
import { setSecret } from "../support/stack-secrets.ts";

/** How long after an operation what it explains could still be told, in seconds: its silence ends before that. */
const AFTERWARDS = 120;

describe("the monitoring, while the operator is at work", function () {
  this.timeout(900_000);
  let checkout: string;
  let stack: TestStack;
  let receiver: AlertReceiver;

  before("comes up with a webhook and a backup room", async () => {
    receiver = await startReceiver();
    checkout = createCheckout();
    const config = { monitoring: "always", backups: "always", alertReceivers: [{ kind: "webhook" }] };
    stack = await createStack(checkout, config);
    tellReceiver();
    await succeed("up", "--yes");
  });
  after(async () => {
    await stack?.remove();
    receiver?.close();
    removeCheckout(checkout);
  });

  /** A config that is written anew has no secrets. */
  const tellReceiver = (): void =>
    setSecret(stack, "omniai:alertReceivers[0].secret", `${receiver.url}/hook`);
  const succeed = async (command: string, ...args: string[]): Promise<void> => {
    const { code, output } = await stack.run(command, ...args);
    assert.equal(code, 0, output);
  };
  /** The sum of a query's values; 0 where there are none. */
  const valueOf = async (query: string): Promise<number> => {
    const room = await findMonitoring(docker, stack.name);
    assert.ok(room);
    return (await queryMetrics(docker, room, query)).reduce((sum, { value }) => sum + value, 0);
  };
  const fired = (alert: string): Promise<number> =>
    valueOf(`count_over_time(ALERTS{alertname="${alert}",alertstate="firing"}[20m])`);
  const told = (): string[] => receiver.told("firing");
  const quietFor = async (seconds: number): Promise<void> => {
    const end = Date.now() + seconds * 1000;
    await eventually("an end of the silence", seconds + 30, () => Date.now() > end || told().length > 0);
    assert.deepEqual(told(), []);
  };

  it("says nothing of the requests that maintenance refuses, and marks when it was", async () => {
    const marked = (): Promise<number> =>
      valueOf(`last_over_time(${OPERATION_RUNNING}{operation="${MAINTENANCE}"}[1h])`);
    const REQUESTS = 100;
    await succeed("maintenance", "on", "--message", "back soon");
    try {
      for (let n = 0; n < REQUESTS; n += 1)
        assert.equal((await call(`${stack.http}/api/diag/health-summary`)).status, 503);
      await eventually(
        "the lines of all of them",
        60,
        async () =>
          (await valueOf('sum(sum_over_time(edge:responses:count10s{status="503"}[5m]))')) >= REQUESTS,
      );
      assert.equal(await valueOf("sum(sum_over_time(edge:responses_unanswered:count10s[5m]))"), 0);
      await eventually("its mark in the dashboards", 60, async () => (await marked()) === 1);
    } finally {
      await succeed("maintenance", "off");
    }
    await eventually("the end of its mark", 60, async () => (await marked()) === 0);
    assert.deepEqual(told(), []);
  });

  it("takes the server that a deploy has replaced for no restart, and reads the log of the new one", async () => {
    const [name = ""] = await stack.containers("postgres");
    const { Id: before } = await docker.getContainer(name).inspect();
    stack.configure({ postgresMemory: 512 });
    tellReceiver();
    await succeed("up", "--yes");
    const { Id: after } = await docker.getContainer(name).inspect();
    assert.notEqual(after, before, "the server was not replaced");
    await eventually("the lines of both", 60, async () => {
      const { stdout } = await stack.run("logs", "postgres", "--grep", "ready to accept", "--since", "1h");
      return stdout.split("\n").filter((line) => line.includes("system is ready to accept")).length >= 2;
    });
  });

  it("sees that a restore stops and starts a server, and tells nobody", async () => {
    await untilAtRest(stack);
    await succeed("backup");
    assert.equal(await fired("ContainerRestarted"), 0, "of the server that was replaced before");
    await succeed("restore", "--latest", "--replace", "--yes");
    await eventually("an alert that is silent", 60, async () => (await fired("ContainerRestarted")) > 0);
    await quietFor(AFTERWARDS);
  });

  it("tells of the same of another container, though the restore's own one is still silent", async () => {
    const [name = ""] = await stack.containers("redis");
    await docker.getContainer(name).restart();
    const { stdout } = await stack.run("alerts", "list", "--json");
    const { silences } = JSON.parse(stdout) as { silences: { matchers: { value: string }[] }[] };
    const [server = ""] = await stack.containers("postgres");
    assert.deepEqual(
      silences.map(({ matchers }) => matchers.map(({ value }) => value).sort()),
      [["ContainerRestarted", server].sort()],
    );
    await eventually("a message", 180, () => told().includes("ContainerRestarted"));
  });
});
