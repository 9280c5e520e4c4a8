/** A real stack that is watched: what goes wrong reaches a webhook in time, what a deploy does reaches nobody. */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { dashboardFiles } from "../../infra/components/monitoring/dashboards.ts";
import { knownWithin } from "../../infra/components/monitoring/dead-man.ts";
import { METRICS_USER, PARTS } from "../../infra/components/monitoring/plan.ts";
import { logCases } from "../../infra/test/support/alert-cases.ts";
import { execIn } from "../../ops/engine/exec.ts";
import { queryMetrics, requireMonitoring } from "../../ops/engine/monitoring.ts";
import type { Diag } from "../../service/src/diag/schema.ts";
import { holdTable, isHeld } from "../../service/test/support/held-table.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call, eventually } from "../support/http.ts";
import { createStack, docker, type TestStack } from "../support/stack.ts";
import { ofTheMachine, startReceiver, type AlertReceiver } from "../support/alert-receiver.ts";
import { allLines, pushLines } from "../support/log-lines.ts";
import { pushes } from "./monitoring/push.ts";
import { receivers } from "./monitoring/receivers.ts";
import { secretsOf, setSecret } from "../support/stack-secrets.ts";

/** How often the stack gives its sign of life here, in seconds; an hour of it would prove no more. */
const PING_SECONDS = 5;
/** What the test's own service outside expects of it, in seconds. */
const expected = { period: PING_SECONDS, grace: 10 };

/** Every graph of every dashboard. */
const panels = (stack: string): { page: string; title: string; expr: string[] }[] =>
  Object.values(dashboardFiles(stack))
    .map(
      (text) =>
        JSON.parse(text) as { title: string; rows: { panels: { title: string; expr: string[] }[] }[] },
    )
    .flatMap(({ title: page, rows }) =>
      rows.flatMap((row) => row.panels).map((panel) => ({ page, ...panel })),
    );

/** Graphs of what this stack does not have or does not see: backups, a tunnel, requests over a limit, events that are read. */
const notHere = /backup|off-site|tunnel|Cloudflare|Refused by limits|fan-out/i;

/** What is drawn only where an operation has failed: none has in this stack. */
const whereFailed = /omniai_operation_failed/;

/** A page that may call the stack, as a login needs one. */
const PAGE = "https://page.example";

describe("the monitoring of a stack", function () {
  this.timeout(600_000);
  let checkout: string;
  let stack: TestStack;
  let receiver: AlertReceiver;
  /** The replicas before the deploy, and when it was over. */
  let replicasBefore: string[];
  let deployed: number;
  let cookie: string | undefined;

  before("comes up with a webhook", async () => {
    receiver = await startReceiver();
    checkout = createCheckout();
    stack = await createStack(checkout, {
      ...{ monitoring: "always", alertReceivers: [{ kind: "webhook" }], watchdogSeconds: PING_SECONDS },
      ...{ authMode: "both", corsOrigins: [PAGE] },
      ...{ webPush: true, webPushContact: "mailto:ops@example.org" },
    });
    setSecret(stack, "omniai:alertReceivers[0].secret", `${receiver.url}/hook`);
    setSecret(stack, "omniai:watchdogSecretUrl", `${receiver.url}/ping`);
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
  });
  after(async () => {
    await stack?.remove();
    receiver?.close();
    removeCheckout(checkout);
  });

  /** The session of a user who may see all of the diagnostics. */
  const login = async (): Promise<string> => {
    const added = await stack.run("user", "add", "watcher", "--scopes", "diag:read", "--json");
    assert.equal(added.code, 0, added.output);
    const { password } = JSON.parse(added.stdout) as { password: string };
    const { status, headers, text } = await call(`${stack.https}/api/auth/login`, {
      method: "POST",
      body: { username: "watcher", password },
      headers: { origin: PAGE },
    });
    assert.equal(status, 200, text);
    return headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
  };
  /** What a replica tells this user. */
  const diag = async (): Promise<Required<Pick<Diag, "alerts" | "certificate">>> => {
    cookie ??= await login();
    const { text } = await call(`${stack.https}/api/diag`, { headers: { cookie } });
    return JSON.parse(text) as Required<Pick<Diag, "alerts" | "certificate">>;
  };

  it("sends a message through the whole way, and says that it arrived", async () => {
    const { code, output } = await stack.run("alerts", "test");
    assert.equal(code, 0, output);
    assert.match(output, /receiver-1 took it after [\d.]+ s/);
    // Through the gate and a replica, which has nobody to push it to.
    assert.match(output, /receiver-webpush took it after [\d.]+ s/);
    assert.ok(receiver.told("firing").includes("Test"));
  });

  it("gives a sign of life to the outside, as often as config says", async () => {
    const pings = (): number => receiver.messages.filter(({ path }) => path === "/ping").length;
    await eventually("three pings", 60, () => pings() >= 3);
  });

  it("finds nothing wrong with a stack that just came up", async () => {
    const { code, stdout } = await stack.run("alerts", "list", "--json");
    assert.equal(code, 0, stdout);
    const { alerts } = JSON.parse(stdout) as { alerts: { labels: Record<string, string> }[] };
    const names = alerts.map(({ labels }) => labels["alertname"] ?? "");
    assert.deepEqual(
      names.filter((name) => name !== "Test" && !ofTheMachine(name)),
      [],
    );
    // vmalert has less than a second for its answer; until it has given one, nothing is said of alerts.
    const { alerts: seen, certificate } = await eventually("what fires", 60, async () => {
      const found = await diag();
      return found.alerts.firing !== undefined && found;
    });
    assert.deepEqual(
      seen.firing?.map(({ name }) => name).filter((name) => !ofTheMachine(name)),
      [],
    );
    assert.equal(certificate.status, "pass");
    assert.ok(Date.parse(certificate.ends ?? "") > Date.now());
    const rules = JSON.parse((await stack.run("alerts", "rules", "--json")).stdout) as Record<
      string,
      string
    >[];
    for (const { name, health, lastError } of rules) assert.equal(health, "ok", `${name}: ${lastError}`);
    for (const name of ["ReplicaDown", "DataDamaged", "edge:responses:count10s"])
      assert.ok(
        rules.some((rule) => rule["name"] === name),
        name,
      );
  });

  it("is silent about an alert for as long as the operator says, and about none that there is not", async () => {
    const silences = async (): Promise<
      { createdBy: string; comment: string; endsAt: string; name: string }[]
    > => {
      const { stdout } = await stack.run("alerts", "list", "--json");
      const { silences: found } = JSON.parse(stdout) as {
        silences: {
          createdBy: string;
          comment: string;
          endsAt: string;
          matchers: { name: string; value: string }[];
        }[];
      };
      return found.map(({ matchers, ...one }) => ({ ...one, name: matchers[0]?.value ?? "" }));
    };
    for (const [wrong, said] of [
      [["NoSuchAlert"], /no alert "NoSuchAlert"[^]*ReplicaDown/],
      [[], /Which alert/],
      [["DiskFilling", "--for", "soon"], /--for soon is no span/],
    ] as const) {
      const { code, output } = await stack.run("alerts", "silence", ...wrong);
      assert.equal(code, 2, output);
      assert.match(output, said);
    }
    const why = ["--for", "30m", "--comment", "the disk is being replaced"];
    const { code, output } = await stack.run("alerts", "silence", "DiskFilling", ...why);
    assert.equal(code, 0, output);
    assert.match(output, /DiskFilling is silent for 30m/);
    const own = (await silences()).filter(({ createdBy }) => createdBy === "operator");
    assert.deepEqual(
      own.map(({ name, comment }) => [name, comment]),
      [["DiskFilling", "the disk is being replaced"]],
    );
    const left = (Date.parse(own[0]?.endsAt ?? "") - Date.now()) / 60_000;
    assert.ok(left > 25 && left <= 30, `${left} min`);
    assert.match(
      (await stack.run("alerts", "list")).stdout,
      /silent until .*alertname DiskFilling \(operator: the disk/,
    );
  });

  it("takes no more than 220 MiB when idle", async () => {
    const parts = await Promise.all(
      PARTS.map(async (workload) => {
        const [name = ""] = await stack.containers(workload);
        const stats = (await docker.getContainer(name).stats({ stream: false, "one-shot": true })) as {
          memory_stats: { usage: number; stats: { total_inactive_file?: number; inactive_file?: number } };
        };
        const { usage, stats: more } = stats.memory_stats;
        return [workload, (usage - (more.total_inactive_file ?? more.inactive_file ?? 0)) / 2 ** 20] as const;
      }),
    );
    const sum = parts.reduce((total, [, mebibytes]) => total + mebibytes, 0);
    const shown = parts.map(([name, mebibytes]) => `${name} ${mebibytes.toFixed(1)}`).join(", ");
    console.log(`        ${shown}: ${sum.toFixed(0)} MiB`);
    assert.ok(sum <= 220, shown);
  });

  it("tells of a dead replica within 90 s, of a paused container when the receiver is back, and of each once", async () => {
    const [victim = ""] = await stack.containers("backend");
    const [frozen = ""] = await stack.containers("vlagent");
    const isAboutIt = (name: string): boolean => name === "ReplicaDown" || name === "ContainerDown";
    const isPause = (name: string): boolean => name === "ContainerPaused";
    receiver.messages.length = 0;
    await docker.getContainer(victim).kill();
    const killed = Date.now();
    await eventually("the message", 90, () => receiver.told("firing").some(isAboutIt));
    console.log(`        told after ${((Date.now() - killed) / 1000).toFixed(0)} s`);
    const first = receiver.messages
      .flatMap(({ alerts }) => alerts)
      .find(({ labels }) => isAboutIt(labels["alertname"] ?? ""));
    assert.match(first?.annotations["summary"] ?? "", new RegExp(victim));
    assert.match(first?.annotations["runbook"] ?? "", /^docs\/runbook\.md#/);
    await eventually("it on the page", 60, async () =>
      (await diag()).alerts.firing?.some(({ name }) => isAboutIt(name)),
    );
    receiver.answer = 500;
    await docker.getContainer(frozen).pause();
    try {
      await docker.getContainer(victim).start();
      await eventually("a message that is refused", 120, () => receiver.told("firing", false).some(isPause));
      receiver.answer = 200;
      await eventually("the same again", 150, () => receiver.told("firing").some(isPause));
    } finally {
      receiver.answer = 200;
      await docker.getContainer(frozen).unpause();
    }
    await eventually("the end of both", 180, () => {
      const over = receiver.told("resolved");
      return over.some(isAboutIt) && over.some(isPause);
    });
    const fired = receiver.told("firing").filter((name) => isAboutIt(name) || isPause(name));
    assert.equal(new Set(fired).size, fired.length, `told twice: ${fired.join()}`);
  });

  describe("during and after a deploy", () => {
    before(async () => {
      replicasBefore = await stack.containers("backend");
      receiver.messages.length = 0;
      const { code, output } = await stack.run("restart");
      assert.equal(code, 0, output);
      deployed = Date.now();
      // What these lines raise needs a while, in which other things are looked at.
      const unanswered = {
        time: "x",
        status: 503,
        upstream: "10.0.0.1:80",
        upstream_status: "502, 502",
        seconds: 0.1,
      };
      const cases = [
        ...logCases(),
        ...Array.from({ length: 40 }, () => ({ workload: "edge", line: JSON.stringify(unanswered) })),
      ];
      await pushLines(stack, cases);
    });

    it("finds a request by its id and its trace from the edge to the service, and the lines of replicas that are gone", async () => {
      const [id, trace] = [`e2e-${randomBytes(6).toString("hex")}`, randomBytes(16).toString("hex")];
      const headers = { "x-request-id": id, traceparent: `00-${trace}-${randomBytes(8).toString("hex")}-01` };
      await call(`${stack.http}/api/nothing-here`, { headers });
      for (const name of [id, trace])
        await eventually(`the lines of ${name}`, 90, async () => {
          const { stdout } = await stack.run("logs", "--request", name, "--since", "10m");
          return /edge\.1 .*\n?/.test(stdout) && /backend\.\d /.test(stdout);
        });
      const found = await stack.run("logs", "backend", "--grep", "starting", "--since", "1h");
      assert.equal(found.code, 0, found.output);
      // Two replicas, and the two before them.
      assert.ok(found.stdout.trim().split("\n").length >= 4, found.output);
      assert.equal((await stack.run("logs", "--level", "fatal")).code, 0);
    });

    it("finds a statement that made a request wait, in PostgreSQL's own log, by the request's id and without its values", async () => {
      const [id, canary] = [
        `e2e-${randomBytes(6).toString("hex")}`,
        `canary-${randomBytes(6).toString("hex")}`,
      ];
      const [server = ""] = await stack.containers("postgres");
      const sql = (text: string): Promise<{ output: string }> =>
        execIn(docker, server, ["psql", "-XqAtU", "postgres", "-d", "omniai", "-c", text]);
      // Longer than the second from which on PostgreSQL writes a statement down.
      const holding = sql(holdTable("client_reports", 1500));
      await eventually(
        "the lock",
        30,
        async () => (await sql(isHeld("client_reports"))).output.trim() === "t",
      );
      const body = { client: canary };
      const headers = { "x-request-id": id };
      await call(`${stack.http}/api/diag/client-reports`, { method: "POST", headers, body });
      await holding;
      let stdout = "";
      await eventually("its lines", 90, async () => {
        ({ stdout } = await stack.run("logs", "--request", id, "--since", "10m"));
        return ["edge", "backend", "postgres"].every((workload) => stdout.includes(`${workload}.`));
      });
      assert.match(stdout, /postgres\.1 .*duration: [\d.]+ ms .*INSERT INTO client_reports/);
      const written = (await allLines(stack)).filter((line) => line.includes("/postgres."));
      assert.deepEqual(
        written.filter((line) => line.includes(canary)),
        [],
      );
    });

    it("keeps nothing secret in any line of any container", async () => {
      const canary = `canary-${randomBytes(12).toString("hex")}`;
      const id = `e2e-${randomBytes(6).toString("hex")}`;
      const headers = {
        ...{ "x-request-id": id, authorization: `Bearer ${canary}`, "x-api-key": canary },
        ...{ cookie: `session=${canary}; __Host-session=${canary}`, "x-csrf-token": canary },
      };
      await call(`${stack.http}/api/diag?ticket=${canary}&token=${canary}`, { headers });
      const body = { username: "somebody", password: canary };
      await call(`${stack.http}/api/auth/login`, { method: "POST", headers, body });
      await call(`${stack.http}/api/events`, { method: "POST", headers, body: { type: "x", data: canary } });
      await call(`${stack.http}/api/events`, {
        method: "POST",
        headers,
        body: { type: canary, data: 1, odd: 1 },
      });
      let lines: string[] = [];
      await eventually("the lines of these requests", 90, async () => {
        lines = await allLines(stack);
        return lines.filter((line) => line.includes(id)).length >= 4;
      });
      for (const workload of ["backend", "edge", "postgres", "redis"])
        assert.ok(
          lines.some((line) => line.includes(`/${workload}.`)),
          `no line of ${workload}`,
        );
      const kept = secretsOf(stack);
      // The passwords of PostgreSQL's role, of Redis and of VictoriaMetrics, the key of the service, those of TLS.
      assert.ok(kept.length >= 4, `${kept.length} secrets`);
      const secrets = [canary, `${receiver.url}/hook`, `${receiver.url}/ping`, ...kept];
      const told = lines.filter((line) => secrets.some((secret) => line.includes(secret)));
      assert.deepEqual(told, []);
    });

    it("raises what its rules about logs are for, by their cases", async () => {
      const wanted = logCases().flatMap(({ fires }, at) => fires.map((name) => `${name} case-${at}`));
      const told = (): string[] =>
        receiver.messages
          .flatMap(({ alerts }) => alerts)
          .map(({ labels }) => `${labels["alertname"]} ${labels["container"]}`);
      await eventually([...wanted, "RequestsUnanswered"].join(", "), 240, () => {
        const now = new Set(told());
        return wanted.every((one) => now.has(one)) && receiver.told("firing").includes("RequestsUnanswered");
      });
      const ofCases = told().filter((one) => / case-\d+$/.test(one));
      assert.deepEqual([...new Set(ofCases)].sort(), wanted.sort());
    });

    it("shows dashboards on a port of this machine, with a password, of which every graph is drawn", async () => {
      const shown = stack.start("dashboards", "--port", "0");
      await shown.until(/password \S+/);
      try {
        const started = shown.output();
        const url = /http:\/\/127\.0\.0\.1:\d+/.exec(started)?.[0] ?? "";
        const password = /password (\S+)/.exec(started)?.[1] ?? "";
        const authorization = `Basic ${Buffer.from(`${METRICS_USER}:${password}`).toString("base64")}`;
        assert.equal((await call(`${url}/vmui/`)).status, 401);
        // As a browser does: several at once.
        const answers = await Promise.all(
          ["/vmui/", "/vmui/custom-dashboards", "/vmui/", "/vmui/"].map((path) =>
            call(url + path, { headers: { authorization } }),
          ),
        );
        assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
        const { dashboardsSettings: pages } = JSON.parse(answers[1]?.text ?? "") as {
          dashboardsSettings: { title: string }[];
        };
        assert.equal(pages.length, Object.keys(dashboardFiles(stack.name)).length);
        assert.ok(pages.some(({ title }) => title === "Edge"));
      } finally {
        shown.kill("SIGINT");
      }
      assert.equal((await shown.done).code, 0);
      const room = await requireMonitoring(docker, stack.name);
      const empty: string[] = [];
      for (const panel of panels(stack.name))
        for (const expr of panel.expr.filter((each) => !whereFailed.test(each))) {
          // At any moment of this test: nobody asks the stack for anything all the time. A single sample counts for seconds only.
          const query = `count_over_time((${expr.replaceAll("$__interval", "1m")})[20m:5s])`;
          const found = await queryMetrics(docker, room, query);
          if (found.length === 0) empty.push(`${panel.page}: ${panel.title}`);
        }
      assert.deepEqual(
        empty.filter((panel) => !notHere.test(panel)),
        [],
      );
    });

    it("is what is declared, and shows on the status page", async () => {
      const drift = await stack.run("drift");
      assert.equal(drift.code, 0, drift.output);
      const { stdout } = await stack.run("status");
      assert.match(stdout, /Alerts\n[\s\S]*disk [\d.]+ % full/);
    });
  });

  const alertmanagerImage = async (): Promise<string> => {
    const [name = ""] = await stack.containers("alertmanager");
    return (await docker.getContainer(name).inspect()).Image;
  };

  describe("receivers of every kind", () => receivers(alertmanagerImage));

  describe("web push", () => pushes(alertmanagerImage));

  describe("after all of that", () => {
    it("has said nothing of the deploy, and knows the new replicas", async () => {
      const now = await stack.containers("backend");
      assert.ok(now.every((name) => !replicasBefore.includes(name)));
      // As long as an alert about the old ones would take.
      await eventually("some time", 90, () => Date.now() > deployed + 75_000);
      const ofLogs = new Set([...logCases().flatMap(({ fires }) => fires), "RequestsUnanswered"]);
      assert.deepEqual(
        receiver.told("firing").filter((name) => !ofLogs.has(name)),
        [],
      );
    });

    it("survives a flood of long lines of one container, and keeps those of the others", async () => {
      const mark = `beside-${randomBytes(6).toString("hex")}`;
      const [writer = "", neighbour = ""] = await stack.containers("backend");
      const restarts = async (): Promise<number[]> => {
        const parts = await Promise.all(["victoria-logs", "vlagent"].map((part) => stack.containers(part)));
        return Promise.all(
          parts.flat().map(async (name) => (await docker.getContainer(name).inspect()).RestartCount),
        );
      };
      const write = (container: string, command: string) =>
        execIn(docker, container, ["sh", "-c", `${command} > /proc/1/fd/1`]);
      const before = await restarts();
      // As long as entries with a stack, and hardly compressible.
      const flood = write(writer, "head -c 200000000 /dev/urandom | base64 -w 1000");
      await write(neighbour, `echo ${mark}`);
      assert.equal((await flood).exitCode, 0);
      await eventually("the line of another container", 120, async () =>
        (await stack.run("logs", "--grep", mark, "--since", "10m")).stdout.includes(mark),
      );
      assert.deepEqual(await restarts(), before, "parts of the monitoring were started anew");
    });

    it("is missed outside when a part of it dies", async () => {
      const [victim = ""] = await stack.containers("victoria-metrics");
      const silence = (): number => (Date.now() - receiver.lastAt("/ping")) / 1000;
      assert.ok(silence() < expected.period + expected.grace, "it was alive");
      await docker.getContainer(victim).kill();
      const killed = Date.now();
      await eventually(
        "the silence that the outside notices",
        120,
        () => silence() > expected.period + expected.grace,
      );
      const seconds = (Date.now() - killed) / 1000;
      console.log(`        known outside after ${seconds.toFixed(0)} s`);
      assert.ok(seconds <= knownWithin(PING_SECONDS, expected), `${seconds} s`);
    });
  });
});
