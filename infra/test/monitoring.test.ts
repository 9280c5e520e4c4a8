/** The monitoring: when a stack has it, what it declares, whom it tells, and what its reader reads. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { isMonitored } from "../components/monitoring/config.ts";
import { knownWithin, watchdogTimes } from "../components/monitoring/dead-man.ts";
import { PARTS } from "../components/monitoring/plan.ts";
import {
  KINDS,
  receiverProblems,
  renderAlertmanager,
  type Receiver,
} from "../components/monitoring/receivers.ts";
import { renderContainers, renderReplicas, renderStack } from "../components/monitoring/scrape.ts";
import { TARGETS_SCRIPT } from "../components/monitoring/scripts.ts";
import { packFiles } from "../resources/archive.ts";
import { defaults } from "./defaults.ts";
import { unpack } from "./support/archive.ts";
import { COMMAND, CONTAINER, record, secretValue, type Recording } from "./support/recorder.ts";

describe("whether a stack is watched", () => {
  const is = (stack: string, monitoring: "auto" | "always" | "never"): boolean =>
    isMonitored(stack, { monitoring, environment: "" });

  it("auto is everywhere but in dev; always and never hold wherever they are said", () => {
    assert.deepEqual(
      [is("dev", "auto"), is("mine", "auto"), is("staging", "auto"), is("prod", "auto")],
      [false, false, true, true],
    );
    assert.deepEqual([is("dev", "always"), is("prod", "never")], [true, false]);
  });
});

describe("the program, with monitoring", function () {
  this.timeout(20_000);
  let program: Recording;
  before(async () => {
    program = await record("dev", { monitoring: "always" });
  });
  const container = (name: string) => program.named(CONTAINER, `omniai-dev-${name}`).inputs;
  const networks = (name: string): string[] =>
    (container(name)["networksAdvanced"] as { name: string }[]).map((one) => one.name);

  it("lets only VictoriaMetrics, and each vmalert for who asks it, meet what is scraped, and nobody out", () => {
    assert.deepEqual(
      Object.fromEntries(PARTS.map((part) => [part, networks(part)])),
      Object.fromEntries(
        PARTS.map((part) => [
          part,
          ["victoria-metrics", "vmalert", "vmalert-logs"].includes(part)
            ? ["omniai-dev-monitoring", "omniai-dev-metrics"]
            : ["omniai-dev-monitoring"],
        ]),
      ),
    );
    const internal = program
      .of("docker:index/network:Network")
      .filter(({ inputs }) => inputs["internal"] === true)
      .map(({ inputs }) => inputs["name"]);
    assert.ok(internal.includes("omniai-dev-monitoring") && internal.includes("omniai-dev-metrics"));
    assert.ok(networks("backend-1").includes("omniai-dev-metrics"));
  });

  it("lets the service ask which alerts fire, and nothing else of vmalert without a password", async () => {
    const variables = (of: Recording): string[] =>
      of.named(CONTAINER, "omniai-dev-backend-1").inputs["envs"] as string[];
    const asked = ["vmalert", "vmalert-logs"].map((name) => `http://${name}:8880/api/v1/alerts`);
    assert.ok(variables(program).includes(`OMNIAI_ALERTS_URLS=${asked.join(",")}`));
    for (const name of ["vmalert", "vmalert-logs"])
      for (const what of ["reload", "pprof", "flags"]) {
        const command = container(name)["command"] as string[];
        assert.ok(command.includes(`-${what}AuthKey=file:///run/omniai/password`), `${name} ${what}`);
      }
    const without = variables(await record("dev", {}));
    assert.deepEqual(
      without.filter((one) => /^OMNIAI_(ALERTS|TUNNEL)/.test(one)),
      [],
    );
    assert.ok(without.includes("OMNIAI_EDGE_TLS=edge:8443"));
  });

  it("stays within 704 MiB of limits, and reads of the host only control groups and the engine's logs", () => {
    const memory = PARTS.map((part) => Number(container(part)["memory"]));
    assert.equal(
      memory.reduce((sum, one) => sum + one),
      704,
    );
    const folders = program
      .of(CONTAINER)
      .flatMap(({ inputs }) => inputs["volumes"] as { hostPath?: string; readOnly?: boolean }[])
      .filter(({ hostPath }) => hostPath !== undefined)
      .map(({ hostPath, readOnly }) => [hostPath, readOnly]);
    assert.deepEqual(folders.sort(), [
      ["/sys/fs/cgroup", true],
      ["/var/lib/docker/containers", true],
    ]);
  });

  it("gives VictoriaMetrics what it needs, where a file was written when less was the default", async () => {
    for (const [said, given] of [
      [96, 160],
      [128, 160],
      [256, 256],
    ]) {
      const { inputs } = (await record("dev", { monitoring: "always", monitoringMemory: said })).named(
        CONTAINER,
        "omniai-dev-victoria-metrics",
      );
      assert.equal(inputs["memory"], given, String(said));
    }
  });

  it("writes the lists of a deploy when all containers are healthy, each by its name and id", async () => {
    const { inputs } = program.named(COMMAND, "omniai-dev-targets");
    const files = await unpack(String(inputs["stdin"]));
    const content = (name: string): string => files.find((file) => file.name === name)?.content ?? "";
    const replicas = JSON.parse(content("backend.json")) as { targets: string[] }[];
    assert.deepEqual(
      replicas.map(({ targets }) => targets),
      [["omniai-dev-backend-1-0a1b2c3:9000"], ["omniai-dev-backend-2-0a1b2c3:9000"]],
    );
    const workloads = content("containers")
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[2]);
    assert.deepEqual(workloads.sort(), ["backend", "backend", "edge", "postgres", "redis", ...PARTS].sort());
  });

  it("is not there where it is off, and then nothing else is otherwise", async () => {
    const off = await record("dev", {});
    assert.deepEqual(
      off.resources.filter(({ name }) =>
        /victoria|vmalert|alertmanager|exporter|reader|monitoring/.test(name),
      ),
      [],
    );
  });

  it("keeps the secrets of receivers in files, and their network open only for who tells", async () => {
    const told = await record(
      "dev",
      {
        monitoring: "always",
        alertReceivers: [{ kind: "webhook", secret: "https://canary.example/hook" }],
        watchdogSecretUrl: "https://canary.example/ping",
      },
      ["omniai:alertReceivers", "omniai:watchdogSecretUrl"],
    );
    const files = await unpack(
      secretValue(told.named(COMMAND, "omniai-dev-alertmanager-files").inputs["stdin"]),
    );
    assert.deepEqual(
      files
        .map(({ name }) => name)
        .filter((name) => !/^\.\/?$/.test(name))
        .sort(),
      ["alertmanager.yml", "omniai.tmpl", "receiver-1", "watchdog-url"],
    );
    const config = files.find(({ name }) => name === "alertmanager.yml")?.content ?? "";
    assert.doesNotMatch(config, /canary/);
    assert.match(config, /"url_file": "\/run\/secrets\/receiver-1"/);
    const open = told
      .of(CONTAINER)
      .filter(({ inputs }) =>
        (inputs["networksAdvanced"] as { name: string }[]).some(({ name }) => name === "omniai-dev-alerts"),
      );
    assert.deepEqual(
      open.map(({ name }) => name),
      ["omniai-dev-alertmanager"],
    );
  });
});

describe("receivers", () => {
  const whole: Readonly<Record<Receiver["kind"], object>> = {
    webhook: { secret: "https://a.example" },
    slack: { secret: "https://a.example" },
    discord: { secret: "https://a.example" },
    ntfy: { secret: "https://a.example" },
    telegram: { secret: "123:abc", chat: -5 },
    email: { to: "a@b.example", from: "c@d.example", server: "mail.example:587" },
  };
  const problems = (one: object): string[] =>
    receiverProblems({ alertReceivers: [one as Receiver] }).map(({ allowed }) => allowed ?? "");

  for (const kind of KINDS) {
    it(`of the kind ${kind} are taken whole, and refused without a part or with a foreign one`, () => {
      const one = { kind, ...whole[kind] };
      assert.deepEqual(problems(one), []);
      for (const key of Object.keys(whole[kind]))
        assert.deepEqual(problems({ ...one, [key]: undefined }), [
          `a receiver of the kind ${kind} with ${key}`,
        ]);
      const foreign = kind === "telegram" ? { to: "a@b.example" } : { chat: 5 };
      assert.equal(problems({ ...one, ...foreign }).length, 1);
      const loaded = { ...one, secret: pulumi.secret("x") } as never;
      assert.match(renderAlertmanager([loaded], { watchdog: undefined }), new RegExp(`"receiver-1"`));
    });
  }

  it("by e-mail log in with both name and password, or not at all", () => {
    const email = { kind: "email", ...whole.email };
    assert.equal(problems({ ...email, username: "u" }).length, 1);
    assert.deepEqual(problems({ ...email, username: "u", secret: "p" }), []);
  });
});

describe("the reader", function () {
  this.timeout(20_000);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "omniai-reader-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const write = (files: Readonly<Record<string, string>>): void => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
  };
  const target = { container: "omniai-a", workload: "redis", replica: 1 };

  /** What it writes first. */
  async function read(): Promise<string[]> {
    const script = join(import.meta.dirname, "../components/monitoring/reader/reader.sh");
    const out = join(folder, "out.prom");
    const args = [script, join(folder, "lists"), join(folder, "cgroup"), out, "60"];
    const reader = spawn("sh", args, { stdio: "ignore" });
    const ended = new Promise((resolve) => reader.on("exit", resolve));
    while (!existsSync(out)) await new Promise((resolve) => setTimeout(resolve, 20));
    reader.kill("SIGTERM");
    // It stops when it is told, and not after its pause.
    await ended;
    return readFileSync(out, "utf8").trim().split("\n");
  }
  const metricsOf = (lines: readonly string[], container: string): Record<string, number> =>
    Object.fromEntries(
      lines
        .filter((line) => line.includes(`container="${container}"`))
        .map((line) => [/^omniai_container_(\w+)/.exec(line)?.[1] ?? "", Number(line.split(" ").at(-1))]),
    );

  it("reads control groups of version 2, of systemd's names and the engine's own", async () => {
    write({
      "lists/containers": renderContainers([
        { id: "aa", ...target },
        { id: "bb", ...target, container: "omniai-b" },
        { id: "cc", ...target, container: "omniai-gone" },
      ]),
      "cgroup/cgroup.controllers": "memory cpu\n",
      ...Object.fromEntries(
        ["system.slice/docker-aa.scope", "docker/bb"].flatMap((path, at) => [
          [`cgroup/${path}/memory.current`, "5000\n"],
          [`cgroup/${path}/memory.max`, at === 0 ? "9000\n" : "max\n"],
          [`cgroup/${path}/memory.stat`, "anon 1\ninactive_file 1000\n"],
          [`cgroup/${path}/memory.events`, "oom 3\noom_kill 2\n"],
          [`cgroup/${path}/cgroup.events`, `populated 1\nfrozen ${at}\n`],
          [`cgroup/${path}/cpu.stat`, "usage_usec 77\nthrottled_usec 5\n"],
        ]),
      ),
    });
    const lines = await read();
    const { start_id: id, ...a } = metricsOf(lines, "omniai-a");
    assert.ok(Number(id) > 0);
    assert.deepEqual(a, {
      ...{ up: 1, oom_kills_total: 2, paused: 0, cpu_microseconds_total: 77 },
      ...{ cpu_throttled_microseconds_total: 5, memory_bytes: 4000, memory_limit_bytes: 9000 },
    });
    const b = metricsOf(lines, "omniai-b");
    assert.deepEqual([b["paused"], b["memory_limit_bytes"]], [1, undefined]);
    assert.deepEqual(metricsOf(lines, "omniai-gone"), { up: 0 });
    assert.match(lines.at(-1) ?? "", /^omniai_reader_timestamp_seconds \d{10}$/);
  });

  it("reads control groups of version 1", async () => {
    write({
      "lists/containers": renderContainers([{ id: "aa", ...target }]),
      "lists/stack.prom": renderStack({
        replicas: 3,
        certificateEnds: "2030-01-01T00:00:00Z",
        connections: 9,
      }),
      "cgroup/memory/docker/aa/memory.usage_in_bytes": "5000\n",
      "cgroup/memory/docker/aa/memory.limit_in_bytes": "9000\n",
      "cgroup/memory/docker/aa/memory.stat": "inactive_file 1\ntotal_inactive_file 1000\n",
      "cgroup/memory/docker/aa/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
      "cgroup/freezer/docker/aa/freezer.state": "FROZEN\n",
      "cgroup/cpuacct/docker/aa/cpuacct.usage": "77000\n",
      "cgroup/cpu/docker/aa/cpu.stat": "nr_periods 1\nthrottled_time 5000\n",
    });
    const lines = await read();
    assert.ok(lines.includes("omniai_stack_replicas 3"));
    assert.ok(lines.includes("omniai_edge_connections_limit 9"));
    assert.ok(lines.includes('omniai_certificate_end_timestamp_seconds{what="edge"} 1893456000'));
    const { start_id: _, ...a } = metricsOf(lines, "omniai-a");
    assert.deepEqual(a, {
      ...{ up: 1, oom_kills_total: 1, paused: 1, cpu_microseconds_total: 77 },
      ...{ cpu_throttled_microseconds_total: 5, memory_bytes: 4000, memory_limit_bytes: 9000 },
    });
  });

  it("goes on without a list, as on the first deploy of a stack", async () => {
    assert.match((await read()).join(), /^omniai_reader_timestamp_seconds \d+$/);
  });
});

describe("the sign of life", () => {
  it("that stays out is known outside within ten minutes of the death of the monitoring, with the defaults", () => {
    const { watchdogSeconds } = defaults as { watchdogSeconds: number };
    assert.ok(knownWithin(watchdogSeconds, { period: watchdogSeconds, grace: 300 }) <= 600);
  });

  it("is given as often as config says, and not at every other look", () => {
    for (const seconds of [5, 60, 600]) {
      const times = watchdogTimes(seconds);
      const [look, repeat] = [times.group_interval, times.repeat_interval].map(
        (text) => parseInt(text) / 1000,
      );
      // Sent at the first look after the pause: the second one.
      assert.ok(look !== undefined && repeat !== undefined && repeat > look && repeat < 2 * look);
      assert.equal(2 * look, seconds);
    }
  });
});

describe("the links to the containers' logs", () => {
  const folder = mkdtempSync(join(tmpdir(), "omniai-links-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What a deploy writes of these containers, as in the volume. @returns each link with the log that it leads to */
  async function deployed(...containers: readonly [id: string, name: string, workload: string][]) {
    const list = containers.map(([id, container, workload]) => ({ id, container, workload, replica: 1 }));
    const packed = await packFiles(
      { containers: { content: renderContainers(list), mode: 0o444 } },
      { uid: 0, gid: 0 },
    );
    const child = spawn("sh", ["-c", TARGETS_SCRIPT.replace("cd /files", `cd ${folder}`)]);
    child.stdin.end(packed);
    assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0);
    const links = join(folder, "links");
    return Object.fromEntries(readdirSync(links).map((name) => [name, readlinkSync(join(links, name))]));
  }

  it("lead to the container that runs, also where it has the name of the one that it replaced", async () => {
    await deployed(["aaa", "omniai-x-postgres", "postgres"], ["bbb", "omniai-x-backend-1-1", "backend"]);
    const links = await deployed(
      ["ccc", "omniai-x-postgres", "postgres"],
      ["ddd", "omniai-x-backend-1-2", "backend"],
    );
    assert.deepEqual(links, {
      "postgres.1.omniai-x-postgres.log": "/containers/ccc/ccc-json.log",
      "backend.1.omniai-x-backend-1-2.log": "/containers/ddd/ddd-json.log",
      // It drains, and writes until it is gone.
      "backend.1.omniai-x-backend-1-1.log": "/containers/bbb/bbb-json.log",
    });
    const later = await deployed(["ccc", "omniai-x-postgres", "postgres"]);
    assert.ok(!("backend.1.omniai-x-backend-1-1.log" in later));
  });
});

describe("the list of replicas", () => {
  it("names them, so that one that is gone is down and not forgotten", () => {
    const text = renderReplicas(
      [{ container: "omniai-x-backend-1-abc", workload: "backend", replica: 1 }],
      9000,
    );
    assert.deepEqual(JSON.parse(text), [
      {
        targets: ["omniai-x-backend-1-abc:9000"],
        labels: { container: "omniai-x-backend-1-abc", workload: "backend", replica: "1" },
      },
    ]);
  });
});
