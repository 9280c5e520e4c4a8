/** A real stack on the real engine, from its creation to its removal, as its operator sees it. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { ContainerInspectInfo } from "dockerode";
import { recordedEngine } from "../../ops/stack/identity.ts";
import type { State } from "../../ops/stack/state.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call, eventually, openSse, publish } from "../support/http.ts";
import { createStack, docker, type TestStack } from "../support/stack.ts";

const exec = (container: string, ...command: string[]): string =>
  execFileSync("docker", ["exec", container, ...command], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });

/** The engine's data on a container that its type declarations lack. */
interface HostConfig {
  ReadonlyRootfs: boolean;
  CapDrop: string[] | null;
  CapAdd: string[] | null;
  SecurityOpt: string[] | null;
  Privileged: boolean;
  Init: boolean;
  PidsLimit: number;
  NanoCpus: number;
  Memory: number;
  MemorySwap: number;
  NetworkMode: string;
  PidMode: string;
  IpcMode: string;
  Devices: unknown[] | null;
  RestartPolicy: { Name: string };
  LogConfig: { Type: string; Config: Record<string, string> };
  Tmpfs: Record<string, string> | null;
  Binds: string[] | null;
  PortBindings: Record<string, { HostIp: string; HostPort: string }[]> | null;
}

/** Whose visitors any engine may serve: their address is the machine's own (ops/stack/ipv6.ts). */
const LOOPBACK = "::1";
const IPV6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === LOOPBACK),
);

describe("a stack", function () {
  let checkout: string;
  let stack: TestStack;
  const inspected = new Map<string, ContainerInspectInfo>();
  const one = (workload: string): { name: string; info: ContainerInspectInfo; host: HostConfig } => {
    const [name, info] =
      [...inspected].find(([, { Config }]) => Config.Labels["io.omniai.workload"] === workload) ??
      assert.fail(`no container of ${workload}`);
    return { name, info, host: info.HostConfig as unknown as HostConfig };
  };

  before("comes up with one command", async () => {
    checkout = createCheckout();
    stack = await createStack(checkout, IPV6 ? { bindAddressIpv6: LOOPBACK } : {});
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
    const urls = [...output.matchAll(/^ {2}(https?:\/\/\S+)$/gm)].map(([, url]) => url);
    assert.deepEqual(urls, [`${stack.http}/`, stack.http, stack.https], "the page first");
    for (const name of await stack.containers())
      inspected.set(name, await docker.getContainer(name).inspect());
  });
  after(async () => {
    await stack.remove();
    removeCheckout(checkout);
  });

  it("has PostgreSQL, Redis, the edge and two replicas, all healthy", async () => {
    const workloads = [...inspected.values()].map(({ Config }) => Config.Labels["io.omniai.workload"]).sort();
    assert.deepEqual(workloads, ["backend", "backend", "edge", "postgres", "redis"]);
    const { code, stdout } = await stack.run("health", "--json");
    assert.equal(code, 0, stdout);
    JSON.parse(stdout);
  });

  it("serves its page where a newcomer looks first, in dev without anything else to set up", async () => {
    const page = await call(`${stack.http}/`);
    assert.equal(page.status, 200, page.text);
    assert.match(String(page.headers["content-type"]), /^text\/html/);
    assert.match(String(page.headers["content-security-policy"]), /script-src 'self'.*connect-src 'self'/);
    assert.equal(page.text, readFileSync(join(checkout, "frontend/index.html"), "utf8"));
    const { stack: name, ...config } = JSON.parse(
      (await call(`${stack.http}/runtime-config.json`)).text,
    ) as Record<string, string>;
    const { text: version } = await call(`${stack.http}/js/version.js`);
    assert.equal(name, stack.name);
    assert.equal(config["apiBaseUrl"], "/");
    assert.equal(config["pageVersion"], /PAGE_VERSION = "(\w+)"/.exec(version)?.[1]);
    const chart = await call(`${stack.http}/vendor/uplot.js`);
    assert.match(String(chart.headers["content-type"]), /^text\/javascript/);
  });

  it("keeps its data volumes even when Pulumi drops them, which policies cannot see", () => {
    const file = join(checkout, ".state", ".pulumi", "stacks", "omniai", `${stack.name}.json`);
    const { checkpoint } = JSON.parse(readFileSync(file, "utf8")) as {
      checkpoint: { latest: { resources: { type: string; urn: string; retainOnDelete?: boolean }[] } };
    };
    const data = checkpoint.latest.resources.filter(
      ({ type, urn }) => type === "docker:index/volume:Volume" && urn.endsWith("-data"),
    );
    assert.equal(data.length, 3);
    for (const { urn, retainOnDelete } of data) assert.equal(retainOnDelete, true, urn);
  });

  describe("each container, as the engine runs it", () => {
    const users: Record<string, string> = {
      postgres: "999:999",
      redis: "999:999",
      backend: "1000:1000",
      edge: "101:101",
    };
    const graces: Record<string, number> = { postgres: 60, redis: 30, backend: 21, edge: 5 };
    for (const workload of Object.keys(users)) {
      it(`${workload}: runs as ${users[workload]}, without capabilities, on a read-only root, within limits`, () => {
        const { info, host } = one(workload);
        assert.equal(info.Config.User, users[workload]);
        assert.equal(host.ReadonlyRootfs, true);
        assert.deepEqual(host.CapDrop, ["ALL"]);
        assert.ok(!host.CapAdd || host.CapAdd.length === 0);
        assert.deepEqual(host.SecurityOpt, ["no-new-privileges:true"]);
        assert.equal(host.Privileged, false);
        assert.equal(host.Init, true);
        assert.ok(host.PidsLimit > 0 && host.PidsLimit <= 256, `pids ${host.PidsLimit}`);
        assert.ok(host.NanoCpus > 0, `cpus ${host.NanoCpus}`);
        assert.ok(host.Memory >= 64 * 1024 * 1024, `memory ${host.Memory}`);
        assert.equal(host.MemorySwap, host.Memory);
        assert.equal(host.RestartPolicy.Name, "unless-stopped");
        assert.deepEqual(host.LogConfig, {
          Type: "json-file",
          Config: { "max-file": "3", "max-size": "10m" },
        });
        assert.notEqual(host.NetworkMode, "host");
        assert.notEqual(host.PidMode, "host");
        assert.notEqual(host.IpcMode, "host");
        assert.ok(!host.Devices || host.Devices.length === 0);
        assert.equal((info.Config as { StopTimeout?: number }).StopTimeout, graces[workload]);
        for (const options of Object.values(host.Tmpfs ?? {})) {
          assert.match(options, /nosuid/);
          assert.match(options, /nodev/);
          assert.match(options, /noexec/);
          assert.match(options, /size=/);
        }
        assert.ok(info.Config.Healthcheck?.Test && info.Config.Healthcheck.Test.length > 1);
        assert.ok(!JSON.stringify(info.Mounts).includes("docker.sock"));
        const writable = info.Mounts.filter(({ RW }) => RW).map(({ Destination }) => Destination);
        const expected: Record<string, string[]> = {
          postgres: ["/var/lib/postgresql/data"],
          redis: ["/data"],
          backend: [],
          edge: ["/etc/omniai/edge"],
        };
        assert.deepEqual(writable, expected[workload]);
      });
    }

    it("publishes only ports of the edge, on the loopback", () => {
      for (const [name, info] of inspected) {
        const bindings = Object.values((info.HostConfig as unknown as HostConfig).PortBindings ?? {}).flat();
        const published = bindings.map(({ HostIp, HostPort }) => `${HostIp} ${HostPort}`).sort();
        const edge = info.Config.Labels["io.omniai.workload"] === "edge";
        const expected = ["127.0.0.1", ...(IPV6 ? [LOOPBACK] : [])]
          .flatMap((address) => [`${address} ${stack.httpPort}`, `${address} ${stack.httpsPort}`])
          .sort();
        assert.deepEqual(published, edge ? expected : [], name);
      }
    });

    it("is only on the networks that it needs", () => {
      const networks = (workload: string) => Object.keys(one(workload).info.NetworkSettings.Networks).sort();
      const named = (...names: string[]) => names.map((name) => `omniai-${stack.name}-${name}`);
      assert.deepEqual(networks("postgres"), named("data"));
      assert.deepEqual(networks("redis"), named("data"));
      assert.deepEqual(networks("backend"), named("app", "data"));
      assert.deepEqual(networks("edge"), named(...(IPV6 ? ["access"] : []), "app", "public"));
    });

    it("answers by IPv6 as well, where the machine has it", async function () {
      if (!IPV6) return this.skip();
      assert.equal((await call(`http://[${LOOPBACK}]:${stack.httpPort}/readyz`)).status, 200);
      assert.equal((await call(`https://[${LOOPBACK}]:${stack.httpsPort}/readyz`)).status, 200);
    });
  });

  describe("its secrets", () => {
    it("are files that only their user can read", () => {
      const files: [string, string, string][] = [
        ["postgres", "/run/secrets/superuser-password", "400 999:999"],
        ["redis", "/run/secrets/users.acl", "400 999:999"],
        ["backend", "/run/secrets/postgres-password", "400 1000:1000"],
        ["backend", "/run/secrets/redis-password", "400 1000:1000"],
        ["edge", "/etc/omniai/edge/current/tls/key.pem", "400 101:101"],
      ];
      for (const [workload, path, expected] of files) {
        assert.equal(exec(one(workload).name, "stat", "-c", "%a %u:%g", path).trim(), expected, path);
      }
    });

    it("are nowhere else: not in inspect, images, logs, statements or the unencrypted state", () => {
      const backend = one("backend").name;
      const secrets = [
        exec(one("postgres").name, "cat", "/run/secrets/superuser-password"),
        exec(backend, "cat", "/run/secrets/postgres-password"),
        exec(backend, "cat", "/run/secrets/redis-password"),
        exec(one("edge").name, "cat", "/etc/omniai/edge/current/tls/key.pem").split("\n")[1] ?? "",
      ].map((text) => text.trim());
      assert.ok(secrets.every((secret) => secret.length >= 20));
      const places: Record<string, string> = {};
      for (const [name, info] of inspected) {
        places[`inspect of ${name}`] = JSON.stringify(info);
        places[`logs of ${name}`] = execFileSync("docker", ["logs", name], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "pipe"],
        });
        places[`image of ${name}`] = execFileSync("docker", ["history", "--no-trunc", info.Image], {
          encoding: "utf8",
        });
      }
      places["pg_stat_statements"] = sql("SELECT string_agg(query, ' ') FROM pg_stat_statements");
      for (const file of readdirSync(join(checkout, ".state"), { recursive: true, withFileTypes: true })) {
        if (file.isFile()) places[file.name] = readFileSync(join(file.parentPath, file.name), "utf8");
      }
      assert.ok(
        Object.keys(places).some((place) => place === `${stack.name}.json`),
        "the state was looked at",
      );
      for (const [place, text] of Object.entries(places)) {
        for (const secret of secrets) assert.ok(!text.includes(secret), `a secret is in ${place}`);
      }
    });

    it("are guarded by a passphrase that only this user can read", () => {
      assert.equal(
        execFileSync("stat", ["-c", "%a", join(checkout, ".state/passphrase")], { encoding: "utf8" }).trim(),
        "600",
      );
    });
  });

  const sql = (statement: string): string =>
    exec(one("postgres").name, "psql", "-X", "-At", "-U", "postgres", "-d", "omniai", "-c", statement).trim();
  const redis = (...command: string[]): string => exec(one("redis").name, "redis-cli", ...command).trim();

  describe("its PostgreSQL", () => {
    it("is version 17 with pg_stat_statements loaded, and its query works for the service's role", () => {
      assert.match(sql("SHOW server_version"), /^17\./);
      assert.match(sql("SHOW shared_preload_libraries"), /pg_stat_statements/);
      assert.ok(
        Number(sql("SET ROLE omniai; SELECT count(*) FROM pg_stat_statements").split("\n").at(-1)) > 0,
      );
    });

    it("gives the service a role that is not a superuser", () => {
      assert.equal(
        sql("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'omniai'"),
        "f|f|f",
      );
    });
  });

  describe("its Redis", () => {
    it("is version 8, writes an append-only file, and evicts nothing", () => {
      assert.match(exec(one("redis").name, "redis-server", "--version"), /v=8\./);
      const config = exec(one("redis").name, "cat", "/run/secrets/redis.conf");
      assert.match(config, /^appendonly yes$/m);
      assert.match(config, /^maxmemory-policy noeviction$/m);
      assert.match(exec(one("redis").name, "ls", "/data/appendonlydir"), /appendonly\.aof\.manifest/);
    });

    it("lets nobody in without a user name, and lets its health check only ask whether it is alive", () => {
      assert.match(redis("ping"), /NOAUTH/);
      const asHealth = (...command: string[]) =>
        redis("--user", "health", "--pass", "-", "--no-auth-warning", ...command);
      assert.equal(asHealth("ping"), "PONG");
      assert.match(asHealth("get", "omniai:x"), /NOPERM/);
      assert.match(asHealth("config", "get", "*"), /NOPERM/);
    });
  });

  describe("its service, through the edge", () => {
    for (const scheme of ["http", "https"] as const) {
      it(`answers health and diagnostics over ${scheme}`, async () => {
        for (const path of ["/healthz", "/readyz", "/startupz"]) {
          const { status, headers } = await call(stack[scheme] + path);
          assert.equal(status, 200, path);
          assert.match(String(headers["content-type"]), /^application\/health\+json/);
        }
        const { status, text } = await call(`${stack[scheme]}/api/diag`);
        assert.equal(status, 200);
        const diag = JSON.parse(text) as Record<string, unknown>;
        for (const key of ["build", "time", "uptimeSeconds", "database", "redis", "replica"])
          assert.ok(key in diag, `${key} in ${text}`);
      });
    }

    it("is served by both replicas", async () => {
      const replicas = new Set<string>();
      await eventually("answers of both", 30, async () => {
        const { text } = await call(`${stack.http}/api/diag`);
        replicas.add(String((JSON.parse(text) as { replica: string }).replica));
        return replicas.size === 2;
      });
    });

    it("streams an event to the clients of every replica, and resumes by Last-Event-ID", async () => {
      const clients = Array.from({ length: 8 }, () => openSse(`${stack.https}/api/events`));
      try {
        await eventually("streams", 60, () => clients.every(({ joins }) => joins === 1));
        for (const n of [1, 2, 3])
          assert.equal((await publish(stack.https, { type: "test", data: { n } })).status, 201);
        const seen = (client: { events: readonly { event: string; data: string }[] }) =>
          client.events
            .filter(({ event }) => event === "test")
            .map(({ data }) => (JSON.parse(data) as { n: number }).n);
        await eventually("three events at each", 60, () =>
          clients.every((client) => seen(client).length >= 3),
        );
        for (const client of clients) assert.deepEqual(seen(client), [1, 2, 3]);
        const first = clients[0]?.events.find(({ event }) => event === "test")?.id ?? "";
        assert.match(first, /^[0-9A-Za-z._-]+$/);
        const late = openSse(`${stack.http}/api/events`, first);
        clients.push(late);
        await eventually("the rest", 60, () => seen(late).length >= 2);
        assert.deepEqual(seen(late), [2, 3]);
      } finally {
        clients.forEach((client) => client.close());
      }
    });

    it("appends one event for an idempotency key, whichever replica is asked", async () => {
      const post = async (): Promise<string> => {
        const answer = await call(`${stack.https}/api/events`, {
          method: "POST",
          body: { type: "once", data: {} },
          headers: { "idempotency-key": `test-${stack.name}` },
        });
        assert.equal(answer.status, 201, answer.text);
        return (JSON.parse(answer.text) as { id: string }).id;
      };
      const ids = new Set(await Promise.all([post(), post(), post(), post()]));
      assert.equal(ids.size, 1);
    });

    it("was migrated by the deploy, and stores a page's reports", async () => {
      const report = { client: "e2e-client", latency: { samples: 1, p50Ms: 5, p95Ms: 9, maxMs: 9 } };
      const { status, text } = await call(`${stack.https}/api/diag/client-reports`, {
        method: "POST",
        body: report,
      });
      assert.equal(status, 202, text);
      assert.equal(sql("SELECT count(*) FROM client_reports WHERE client = 'e2e-client'"), "1");
    });

    it("describes itself", async () => {
      const { status, text } = await call(`${stack.http}/api/openapi.json`);
      assert.equal(status, 200);
      const { paths } = JSON.parse(text) as { paths: Record<string, unknown> };
      for (const path of ["/healthz", "/api/diag", "/api/events", "/api/events/poll"])
        assert.ok(path in paths, path);
    });

    it("gives nothing away: no version, no metrics, problems as problem+json", async () => {
      const { status, headers, text } = await call(`${stack.http}/metrics`);
      assert.equal(status, 404);
      assert.match(String(headers["content-type"]), /^application\/problem\+json/);
      assert.equal(headers["server"], "nginx");
      assert.equal(headers["x-powered-by"], undefined);
      assert.equal((JSON.parse(text) as { status: number }).status, 404);
      assert.deepEqual(JSON.parse((await call(`${stack.http}/healthz`)).text), { status: "pass" });
    });

    it("offers TLS 1.2 and 1.3 only", () => {
      const attempt = (version: string): string => {
        try {
          return execFileSync(
            "docker",
            [
              "exec",
              one("edge").name,
              "sh",
              "-c",
              `openssl s_client -connect 127.0.0.1:8443 ${version} </dev/null 2>&1 | grep -E "^ *Protocol|^New," | head -2; true`,
            ],
            { encoding: "utf8" },
          );
        } catch (error) {
          return String(error);
        }
      };
      assert.match(attempt("-tls1_3"), /TLSv1\.3/);
      assert.match(attempt("-tls1_2"), /TLSv1\.2/);
      assert.doesNotMatch(attempt("-tls1_1"), /New, TLSv1[^.]|TLSv1\.1, Cipher is [A-Z]/);
    });
  });

  describe("whose Redis is killed", () => {
    it("still has every acknowledged event, and its streams continue without a reset", async () => {
      const client = openSse(`${stack.https}/api/events`);
      try {
        await eventually("a stream", 60, () => client.joins === 1);
        const acknowledged: number[] = [];
        const post = async (n: number): Promise<void> => {
          const body = { type: "killed", data: { n } };
          const { status } = await call(`${stack.https}/api/events`, { method: "POST", body });
          if (status === 201) acknowledged.push(n);
        };
        for (let n = 0; n < 20; n += 1) {
          const { status } = await publish(stack.https, { type: "killed", data: { n } });
          assert.equal(status, 201);
          acknowledged.push(n);
        }
        // Kills the process on the host: the engine takes `docker kill` for a manual stop and would not restart it.
        process.kill((await docker.getContainer(one("redis").name).inspect()).State.Pid, "SIGKILL");
        // Each attempt has its own number, because one that was answered with 503 may still be in the log.
        let next = 100;
        await eventually("an event after it", 60, async () => {
          await post(next++);
          return acknowledged.length > 20;
        });
        const seen = () =>
          client.events
            .filter(({ event }) => event === "killed")
            .map(({ data }) => (JSON.parse(data) as { n: number }).n);
        await eventually("all of them at the client", 30, () =>
          acknowledged.every((n) => seen().includes(n)),
        );
        assert.equal(new Set(seen()).size, seen().length, "none twice");
        assert.ok(!client.events.some(({ event }) => event === "reset"), "no reset");
        assert.deepEqual(client.refusals, []);
      } finally {
        client.close();
      }
    });
  });

  describe("brought up again unchanged", () => {
    it("changes nothing, even after a refresh", async () => {
      const before = await stack.containers();
      const plain = await stack.run("up", "--yes");
      assert.equal(plain.code, 0, plain.output);
      assert.match(plain.output, /no changes|\d+ unchanged/i);
      const refreshed = await stack.run("up", "--yes", "--refresh");
      assert.equal(refreshed.code, 0, refreshed.output);
      assert.deepEqual(await stack.containers(), before);
      assert.doesNotMatch(refreshed.output + plain.output, /\d+ (created|updated|replaced|deleted)/);
    });
  });

  describe("checked for drift", () => {
    it("is as declared, even where the provider does not look", async () => {
      const { code, output } = await stack.run("drift");
      assert.equal(code, 0, output);
      assert.match(output, /runs as it is declared/);
    });

    it("reports drift that the provider cannot see, and stopped containers, without touching them", async () => {
      const [backend, edge] = [one("backend").name, one("edge").name];
      const limit = String((one("backend").info.HostConfig as unknown as HostConfig).PidsLimit);
      execFileSync("docker", ["update", "--pids-limit", "77", backend]);
      await docker.getContainer(edge).stop();
      try {
        const { code, stdout, output } = await stack.run("drift", "--json");
        assert.equal(code, 5, output);
        const { good, differences } = JSON.parse(stdout) as { good: boolean; differences: unknown[] };
        assert.equal(good, false);
        assert.deepEqual(differences, [
          { of: edge, fact: "state", declared: "running and healthy", live: "exited (code 0)" },
          { of: backend, fact: "pids limit", declared: limit, live: "77" },
        ]);
      } finally {
        execFileSync("docker", ["update", "--pids-limit", limit, backend]);
        // It is the same container, because the check removes nothing.
        await docker.getContainer(edge).start();
      }
      await eventually("the edge", 60, async () => (await call(`${stack.http}/readyz`)).status === 200);
    });
  });

  it("leaves the files that git tracks unchanged", () => {
    const tracked = readFileSync(join(checkout, "Pulumi.dev.yaml"), "utf8");
    assert.doesNotMatch(tracked, /encryptionsalt/);
    assert.doesNotMatch(readFileSync(join(checkout, `Pulumi.${stack.name}.yaml`), "utf8"), /encryptionsalt/);
  });

  /** The id of an event; another comes after it. */
  let seen = "";

  describe("taken down", () => {
    it("keeps its data and says so, and has them when it is brought up again", async () => {
      const post = async (n: number): Promise<string> => {
        const answer = await publish(stack.http, { type: "kept", data: { n } });
        assert.equal(answer.status, 201, answer.text);
        return (JSON.parse(answer.text) as { id: string }).id;
      };
      seen = await post(1);
      await post(2);
      sql("SET ROLE omniai; CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)");
      const down = await stack.run("down", "--yes");
      assert.equal(down.code, 0, down.output);
      assert.match(down.output, new RegExp(`omniai-${stack.name}-postgres-data`));
      assert.deepEqual(await stack.containers(), []);
      const up = await stack.run("up", "--yes");
      assert.equal(up.code, 0, up.output);
      await inspectAll();
      assert.equal(sql("SELECT n FROM kept"), "42");
      const resumed = openSse(`${stack.http}/api/events`, seen);
      try {
        await eventually("the event after it", 60, () => resumed.events.length > 0);
        assert.deepEqual(
          resumed.events.map(({ event, data }) => [event, (JSON.parse(data) as { n?: number }).n]),
          [["kept", 2]],
        );
      } finally {
        resumed.close();
      }
    });
  });

  const inspectAll = async (): Promise<void> => {
    inspected.clear();
    for (const name of await stack.containers())
      inspected.set(name, await docker.getContainer(name).inspect());
  };

  describe("that has lost the volume of its database", () => {
    const volume = () => `omniai-${stack.name}-postgres-data`;
    const volumes = async (): Promise<string[]> => {
      const filters = JSON.stringify({ label: [`io.omniai.stack=${stack.name}`] });
      return ((await docker.listVolumes({ filters })).Volumes ?? []).map(({ Name }) => Name).sort();
    };

    it("stays as it is until its operator decides", async () => {
      await docker.getContainer(one("postgres").name).remove({ force: true });
      await docker.getVolume(volume()).remove();
      // The changes that failed are recorded, in another volume each time.
      const lasting = (names: readonly string[]) => names.filter((name) => !name.includes("-changes-"));
      const left = [await stack.containers(), lasting(await volumes())];
      for (const [expected, command, ...args] of [
        [1, "up", "--yes"],
        [1, "preview"],
        [1, "restart"],
        [5, "drift"],
      ] as const) {
        const { code, output } = await stack.run(command, ...args);
        assert.equal(code, expected, output);
        assert.match(
          output,
          /The data of postgres in stack .*, begun .* is lost: volume .* is not on the engine/,
        );
        assert.match(output, /deployed well last, .* by .*@/);
        assert.ok(output.includes(`npm run up -- --accept-empty postgres --stack ${stack.name}`), output);
      }
      const { code, output } = await stack.run("up", "--yes", "--accept-empty", "redis");
      assert.equal(code, 1, output);
      assert.deepEqual([await stack.containers(), lasting(await volumes())], left);
    });

    it("begins anew where that was asked for, with all that its service needs, and keeps the rest", async () => {
      const replicas = await stack.containers("backend");
      const { code, output } = await stack.run("up", "--yes", "--accept-empty", "postgres");
      assert.equal(code, 0, output);
      await inspectAll();
      assert.equal(
        sql("SELECT to_regclass('kept') IS NULL, to_regclass('client_reports') IS NOT NULL"),
        "t|t",
      );
      assert.deepEqual(
        await stack.containers("backend"),
        replicas,
        "the replicas connect again by themselves",
      );
      await eventually("readiness", 60, async () => (await call(`${stack.http}/readyz`)).status === 200);
      const resumed = openSse(`${stack.http}/api/events`, seen);
      try {
        await eventually("what Redis has kept", 60, () =>
          resumed.events.some(({ event }) => event === "kept"),
        );
      } finally {
        resumed.close();
      }
    });
  });

  describe("whose state is lost", () => {
    it("is adopted as it runs, with its data, its passwords and its history", async () => {
      sql("SET ROLE omniai; CREATE TABLE kept (n int); INSERT INTO kept VALUES (43)");
      const ids = () => [...inspected.values()].map(({ Id }) => Id).sort();
      const before = ids();
      rmSync(join(checkout, ".state"), { recursive: true });
      const refused = await stack.run("up", "--yes");
      assert.equal(refused.code, 1, refused.output);
      assert.match(refused.output, /npm run adopt/);
      const adopted = await stack.run("adopt");
      assert.equal(adopted.code, 0, adopted.output);
      const file = join(checkout, ".state/.pulumi/stacks/omniai", `${stack.name}.json`);
      const { checkpoint } = JSON.parse(readFileSync(file, "utf8")) as { checkpoint: { latest: State } };
      const { ID: engine } = (await docker.info()) as { ID: string };
      assert.equal(
        recordedEngine(checkpoint.latest, stack.name)?.id,
        engine,
        "the stack knows its engine again",
      );
      const up = await stack.run("up", "--yes");
      assert.equal(up.code, 0, up.output);
      await inspectAll();
      assert.deepEqual(ids(), before, `no container was replaced\n${up.output}`);
      assert.equal(sql("SELECT n FROM kept"), "43");
      const { code, output } = await stack.run("drift");
      assert.equal(code, 0, output);
      const changes = JSON.parse((await stack.run("history", "--json")).stdout) as { action: string }[];
      assert.deepEqual([changes[0]?.action, changes.at(-1)?.action], ["up", "up"]);
      assert.ok(
        changes.some(({ action }) => action === "down"),
        "what was done with the state that is lost",
      );
      // A whole life of the stack in one test.
    }).timeout(600_000);

    it("with --delete-data, leaves nothing", async () => {
      const { code, output } = await stack.run("down", "--delete-data", "--yes");
      assert.equal(code, 0, output);
      const filters = { label: [`io.omniai.stack=${stack.name}`] };
      assert.deepEqual(await docker.listContainers({ all: true, filters }), []);
      assert.deepEqual((await docker.listVolumes({ filters: JSON.stringify(filters) })).Volumes ?? [], []);
      assert.deepEqual(await docker.listNetworks({ filters: JSON.stringify(filters) }), []);
    });
  });
});
