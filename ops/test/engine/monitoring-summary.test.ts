/** What the status page says of the monitoring, and what ops reads of Alertmanager's own metrics. */
import { strict as assert } from "node:assert";
import { deliveries } from "../../commands/alerts.ts";
import { describeMonitoring, type ActiveAlert } from "../../engine/monitoring-summary.ts";
import { describeOperation, newestOf } from "../../engine/last-operation.ts";
import { annotationOf, EXPLAINED, runningMark, silencesAfter, startedAnew } from "../../stack/quiet.ts";
import { containerView } from "../support/container.ts";
import { logAlerts, metricAlerts } from "../../../infra/test/support/alert-cases.ts";

const alert = (alertname: string, silencedBy: readonly string[] = []): ActiveAlert => ({
  startsAt: "2026-01-01T00:00:00Z",
  labels: { alertname, severity: "warning" },
  annotations: { summary: `${alertname} is so.` },
  status: { state: "active", silencedBy, inhibitedBy: [] },
});

describe("the monitoring on the status page", () => {
  it("says that nothing fires, and what is known of the host", () => {
    const lines = describeMonitoring({
      ...{ alerts: [], diskUsed: 0.423, diskFullSeconds: 3 * 86_400, requests: 12.34, errors: 0.001 },
      ...{ memoryAvailable: 2 * 2 ** 30, memoryTotal: 8 * 2 ** 30, memoryChange: -(2 ** 30) },
    });
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? "", /no alert fires/);
    assert.match(
      lines[1] ?? "",
      /^disk 42 % full, all of it in 3 .*; 2(\.0)? GiB of 8(\.0)? GiB memory available, 1\.0 GiB less than 6 h ago;/,
    );
    assert.match(lines[1] ?? "", /12\.3 requests\/s; 0\.1 % of them fail$/);
  });

  it("names what fires, and counts what is silent", () => {
    const lines = describeMonitoring({ alerts: [alert("DiskFilling"), alert("ReplicaDown", ["x"])] });
    assert.match(lines[0] ?? "", /DiskFilling: DiskFilling is so\./);
    assert.deepEqual(lines.slice(1), ["1 silent or following from another"]);
  });
});

describe("the newest operation", () => {
  const sample = (operation: string, name: string, value: number) => ({
    ...{ metric: { operation, value: name }, value },
  });

  it("is the one that ended last, with how long it took", () => {
    const samples = [
      ...[sample("a", "at", 100), sample("a", "failed", 1), sample("a", "seconds", 9)],
      ...[sample("b", "at", 200), sample("b", "failed", 0), sample("b", "seconds", 60)],
    ];
    assert.deepEqual(newestOf(samples), { operation: "b", at: 200, seconds: 60, failed: false });
    assert.equal(newestOf([]), undefined);
  });

  it("is told with the requests that failed meanwhile", () => {
    const last = { operation: "updating stack x", at: 1000, seconds: 60, failed: false };
    const now = new Date(1_120_000);
    assert.equal(describeOperation(last, now), "updating stack x: went through 2 min ago after 1 min");
    assert.match(
      describeOperation({ ...last, responses: 70, errors: 0 }, now),
      /; none of 70 requests failed/,
    );
    assert.match(
      describeOperation({ ...last, failed: true, responses: 70, errors: 3 }, now),
      /failed 2 min ago .*3.* of 70 requests/,
    );
  });
});

describe("deliveries", () => {
  it("are counted by receiver over all ways, and the sign of life is none", () => {
    const text = [
      'alertmanager_notifications_total{integration="webhook",receiver_name="receiver-1"} 5',
      'alertmanager_notifications_failed_total{integration="webhook",receiver_name="receiver-1",reason="other"} 1',
      'alertmanager_notifications_failed_total{integration="webhook",receiver_name="receiver-1",reason="serverError"} 2',
      'alertmanager_notifications_total{integration="webhook",receiver_name="watchdog"} 9',
    ].join("\n");
    assert.deepEqual([...deliveries(text)], [["receiver-1", { sent: 5, failed: 3 }]]);
  });
});

describe("an operation", () => {
  it("is drawn from its beginning to its end", () => {
    assert.equal(
      runningMark("updating stack x", true),
      'omniai_operation_running{operation="updating stack x"} 1',
    );
    assert.equal(
      runningMark("updating stack x", false),
      'omniai_operation_running{operation="updating stack x"} 0',
    );
  });

  it("is told to the monitoring with how it ended", () => {
    assert.deepEqual(annotationOf("deploying stack dev", { failed: true, seconds: 47.61 }), [
      'omniai_operation_failed{operation="deploying stack dev"} 1',
      'omniai_operation_duration_seconds{operation="deploying stack dev"} 47.6',
    ]);
  });

  it("hides a container that was started anew for longer than its end only where it has started that one itself", () => {
    const [postgres, redis] = [
      containerView({ id: "p", name: "omniai-x-postgres", workload: "postgres", startedAt: "1" }),
      containerView({ id: "r", name: "omniai-x-redis", workload: "redis", startedAt: "1" }),
    ];
    const again = [postgres, redis].map((one) => ({ ...one, startedAt: "2" }));
    // A deploy starts none; what ended by itself meanwhile is not its doing.
    assert.deepEqual(startedAnew(undefined, [postgres, redis], again), []);
    assert.deepEqual(startedAnew("postgres", [postgres, redis], again), ["omniai-x-postgres"]);
    // It was not stopped, or another one of its name took its place.
    assert.deepEqual(startedAnew("postgres", [postgres], [postgres]), []);
    assert.deepEqual(startedAnew("postgres", [postgres], [{ ...postgres, id: "q", startedAt: "2" }]), []);
    const long = (restarted: readonly string[]): string[][] =>
      silencesAfter(restarted)
        .filter(({ span }) => span !== "90s")
        .map(({ span, matchers }) => [span, ...matchers]);
    assert.deepEqual(long([]), []);
    assert.deepEqual(long(["omniai-x-postgres"]), [
      ["6m", "alertname=ContainerRestarted", "container=omniai-x-postgres"],
    ]);
  });

  it("silences alerts that there are, and none that says that requests fail or data is in danger", () => {
    const names = new Set([...metricAlerts(), ...logAlerts()].map((one) => one.alert));
    for (const name of EXPLAINED) assert.ok(names.has(name), name);
    for (const name of [
      "ErrorBudgetBurn",
      "ReplicationSlotLost",
      "DiskFilling",
      "ContainerOutOfMemory",
      "Watchdog",
    ])
      assert.ok(!(EXPLAINED as readonly string[]).includes(name), name);
  });
});
