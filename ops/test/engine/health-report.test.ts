/** What people are told about the containers of a stack. */
import { strict as assert } from "node:assert";
import { WORKLOAD_LABEL } from "../../../infra/resources/labels.ts";
import { defaults } from "../../../infra/test/defaults.ts";
import { CONTAINER, record } from "../../../infra/test/support/recorder.ts";
import { offsiteConfig, SECRETS, tunnelConfig } from "../../../infra/test/support/tunnel-config.ts";
import { isGood } from "../../engine/containers.ts";
import { advice, condition, explanation, urlsOf } from "../../engine/health-report.ts";
import { usageOf } from "../../engine/usage.ts";
import { containerView as view } from "../support/container.ts";

describe("containers", () => {
  it("are good when they run and, if a check is declared, are healthy", () => {
    assert.equal(isGood(view()), true);
    assert.equal(isGood(view({ health: "none" })), true);
    assert.equal(isGood(view({ health: "starting" })), false);
    assert.equal(isGood(view({ state: "restarting" })), false);
  });

  it("are described with the facts that matter", () => {
    assert.equal(
      condition(view({ state: "exited", exitCode: 137, oomKilled: true })),
      "exited (code 137, out of memory)",
    );
    assert.equal(condition(view({ state: "restarting", restarts: 4 })), "restarting (4 restarts)");
    assert.equal(condition(view({ health: "unhealthy" })), "unhealthy");
  });

  it("come with advice, which names who goes on serving", () => {
    const bad = view({ id: "2", name: "new", health: "unhealthy" });
    assert.match(advice(bad, [bad, view()], "prod"), /--stack prod.* Meanwhile c goes on serving\.$/);
    assert.match(advice(view({ oomKilled: true, state: "exited" }), [], "dev"), /omniai:backendMemory/);
  });

  it("get more memory by the key that their limit is of, or none is named", async () => {
    const everything = {
      ...{ backups: "always", monitoring: "always", tls: "acme", certificateHosts: ["api.example.org"] },
      ...{ ...tunnelConfig, ...offsiteConfig, publishPorts: "always" },
    };
    const stack = await record("dev", everything, SECRETS);
    const limits = new Map<string, unknown>();
    for (const { inputs } of stack.of(CONTAINER)) {
      const labels = inputs["labels"] as { label: string; value: string }[];
      const workload = labels.find(({ label }) => label === WORKLOAD_LABEL)?.value ?? "";
      limits.set(workload, inputs["memory"]);
    }
    const named = new Set<string>();
    for (const [workload, limit] of limits) {
      const said = advice(view({ workload, oomKilled: true, state: "exited" }), [], "dev");
      const key = /omniai:([\w-]+)/.exec(said)?.[1];
      if (key === undefined) continue;
      assert.equal(defaults[key], limit, `${workload}: ${key}`);
      named.add(key);
    }
    const keys = Object.keys(defaults).filter((key) => key.endsWith("Memory") && key !== "hostMemory");
    assert.deepEqual([...named].sort(), keys.sort());
  });

  it("that failed show their errors first, then the last health check, then the last lines", () => {
    const lastProbe = { end: "", exitCode: 1, output: "not ready: redis" };
    const routine = Array.from({ length: 30 }, (_, at) => `{"level":"info","msg":"r${at}"}`).join("\n");
    const log = `{"level":"error","msg":"redis is away"}\n${routine}`;
    assert.deepEqual(explanation(view({ lastProbe }), log), [
      "  Its errors and warnings:",
      "    error redis is away",
      "  Last health check (exit 1):",
      "    not ready: redis",
      "  Last log lines:",
      ...[25, 26, 27, 28, 29].map((at) => `    info r${at}`),
    ]);
    assert.deepEqual(explanation(view(), ""), ["  Last log lines:", "    (none)"]);
  });

  it("are shown with the memory that they use without the page cache", () => {
    const stats = {
      memory_stats: { usage: 100, limit: 200, stats: { total_inactive_file: 40 } },
      cpu_stats: { cpu_usage: { total_usage: 30 }, system_cpu_usage: 200, online_cpus: 2 },
    };
    const earlier = { cpu_stats: { cpu_usage: { total_usage: 10 }, system_cpu_usage: 100 } };
    assert.deepEqual(usageOf(earlier as never, stats as never), { memory: 60, memoryLimit: 200, cpu: 40 });
  });
});

describe("the URLs of a stack", () => {
  it("are those of its outputs that ops knows", () => {
    assert.deepEqual(urlsOf({ urls: { value: { http: "h", other: 1 } } }), { http: "h" });
    assert.deepEqual(urlsOf({}), {});
  });
});
