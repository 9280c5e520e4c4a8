import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { isGood, unframe, usageOf, type ContainerView } from "../../engine/containers.ts";
import { commandStreams, EXIT, explain, lastWords, OpsError } from "../../terminal/errors.ts";
import { listeningInodes } from "../../engine/processes.ts";
import { eachLine, parseStart, sinceSeconds } from "../../commands/logs.ts";
import { bytes, duration, table } from "../../terminal/output.ts";
import { visible } from "../../commands/outputs.ts";
import { CommandResult } from "../../stack/pulumi-command.ts";
import { advice, condition, urlsOf } from "../../engine/health-report.ts";
import { checkConfig, checkStackName, imageNames, mergeValues, portOf, readSettings } from "../../stack/settings.ts";

const view = (more: Partial<ContainerView> = {}): ContainerView => ({
  id: "1",
  name: "c",
  workload: "backend",
  replica: 1,
  image: "i",
  state: "running",
  health: "healthy",
  restarts: 0,
  exitCode: 0,
  oomKilled: false,
  error: "",
  created: "2026",
  ports: [],
  ...more,
});

describe("errors", () => {
  it("keep what, remedy and exit code", () => {
    assert.deepEqual(explain(new OpsError("a", "b", EXIT.usage)), { what: "a", remedy: "b", exitCode: 2 });
  });

  it("of the CLI are split into its streams, and its last words kept", () => {
    const text = new CommandResult(
      "out\n",
      "warning: using pulumi-x from $PATH\nerror: bad\n\n",
      255,
    ).toString();
    const { stdout, stderr } = commandStreams(text);
    assert.equal(stdout, "out\n");
    assert.equal(lastWords(stderr), "error: bad");
  });

  it("without a plan say how to see more", () => {
    assert.match(explain(new TypeError("x is undefined")).remedy ?? "", /OMNIAI_DEBUG=1/);
  });
});

describe("settings", () => {
  it("are the stack's values over Pulumi.yaml's defaults", () => {
    const project = {
      config: {
        httpPort: { type: "integer", default: 8080 },
        nginxImage: { default: "nginx:1" },
        plain: "x",
        none: { type: "string" },
      },
    };
    const stack = {
      config: { "omniai:httpPort": 9090, "other:httpPort": 1, "omniai:redisImage": { secure: "v1:" } },
    };
    assert.deepEqual(mergeValues(project, stack, "omniai"), {
      httpPort: 9090,
      nginxImage: "nginx:1",
      plain: "x",
    });
  });

  it("name each image once", () => {
    assert.deepEqual(imageNames({ bImage: "x:1", aImage: "y:1", cImage: "x:1", dImage: "", port: 1 }), [
      "y:1",
      "x:1",
    ]);
  });

  it("know what can be a port", () => {
    for (const [value, port] of [
      [80, 80],
      ["443", 443],
      [0, undefined],
      [70_000, undefined],
      ["x", undefined],
      [1.5, undefined],
    ]) {
      assert.equal(portOf({ p: value }, "p"), port);
    }
  });

  it("that cannot be read name the file", () => {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), "ops-settings-"));
    fs.writeFileSync(path.join(root, "Pulumi.yaml"), "name: omniai\n");
    fs.writeFileSync(path.join(root, "Pulumi.dev.yaml"), "config: [\n");
    assert.throws(() => readSettings(root, "dev"), /Pulumi\.dev\.yaml cannot be read/);
    fs.rmSync(root, { recursive: true });
  });

  it("refuse a stack name that could not be part of a container's", () => {
    for (const good of ["dev", "a", "test-1"]) checkStackName(good);
    for (const bad of ["", "Dev", "a_b", "-a", "a-", "1a", "a/b", "a".repeat(31)]) {
      assert.throws(() => checkStackName(bad), OpsError);
    }
  });
});

describe("the config, before Pulumi runs", () => {
  const root = path.join(import.meta.dirname, "../../..");
  const { values, project } = readSettings(root, "dev");
  const check =
    (change: Record<string, unknown>, stackFile = {}) =>
    () =>
      checkConfig("dev", { project, stackFile, values: { ...values, ...change } });

  it("says wrong types, ranges, unknown keys and contradictions at once, each with its key and remedy", () => {
    const wrong = { backendReplicas: "many", corsOrigins: "a", edgeMemory: 1, httpsPort: 8080, nosuch: 1 };
    assert.throws(check(wrong), (error: Error) => {
      assert.match(error.message, /omniai:backendReplicas is "many"; allowed: a whole number from 1 to 16/);
      assert.match(error.message, /omniai:corsOrigins is "a"; allowed: a list of exact origins/);
      assert.match(error.message, /omniai:edgeMemory is 1;/);
      assert.match(error.message, /omniai:httpsPort is 8080; allowed: any port but omniai:httpPort/);
      assert.match(error.message, /omniai:nosuch is 1; allowed: the keys of Pulumi.yaml/);
      assert.match(error.message, /pulumi config set omniai:edgeMemory VALUE --stack dev/);
      return true;
    });
  });

  it("knows the token of the provider's own key, also where it is encrypted", () => {
    const tunnel = {
      ...{ tunnelEnabled: true, tunnelHostnames: ["api.example.org"], cloudflareZone: "example.org" },
      ...{
        cloudflareAccountId: "a".repeat(32),
        cloudflareZoneId: "b".repeat(32),
        cloudflareAlertEmails: ["owner@example.org"],
      },
    };
    const before = process.env["CLOUDFLARE_API_TOKEN"];
    delete process.env["CLOUDFLARE_API_TOKEN"];
    try {
      assert.throws(check(tunnel), /omniai:cloudflareApiToken/);
      assert.doesNotThrow(check(tunnel, { config: { "cloudflare:apiToken": { secure: "v1:x" } } }));
    } finally {
      if (before !== undefined) process.env["CLOUDFLARE_API_TOKEN"] = before;
    }
  });

  it("takes what Pulumi takes: numbers as text, and text as numbers", () => {
    assert.doesNotThrow(check({}));
    assert.doesNotThrow(check({ backendReplicas: "2", backendCpus: 2 }));
  });

  it("says nothing about secrets, which it cannot read, and shows none", () => {
    const apiKey = { secure: "v1:abc" };
    const providers = [{ name: "a", baseUrl: "https://a.example/v1", apiKey }];
    assert.doesNotThrow(check({ providers }));
    assert.doesNotThrow(
      check({ logLevel: undefined }, { config: { "omniai:logLevel": { secure: "v1:abc" } } }),
    );
    const one = [...providers, { name: "b", baseUrl: "https://b.example/v1", apiKey: "sk-canary" }];
    assert.throws(check({ providers: one }), (error: Error) => {
      assert.doesNotMatch(error.message, /canary|providers\[0\]/);
      assert.match(
        error.message,
        /omniai:providers\[1\]\.apiKey is \[not shown\]; allowed: an encrypted value/,
      );
      return true;
    });
    assert.throws(
      check({}, { config: { "cloudflare:apiToken": "canary" } }),
      /cloudflare:apiToken is \[not shown\]; allowed: an encrypted value/,
    );
    const plain = [{ name: "a b", baseUrl: "https://a.example", apiKey: "sk-canary" }];
    assert.throws(check({ providers: plain }), (error: Error) => {
      assert.doesNotMatch(error.message, /canary/);
      assert.match(error.message, /wrong at 0\.name[\s\S]*config set omniai:providers --secret/);
      return true;
    });
  });
});

describe("containers", () => {
  it("are good when running and, if checked, healthy", () => {
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

  it("come with advice, and with who goes on serving", () => {
    const bad = view({ id: "2", name: "new", health: "unhealthy" });
    assert.match(advice(bad, [bad, view()], "prod"), /--stack prod.* Meanwhile c goes on serving\.$/);
    assert.match(advice(view({ oomKilled: true, state: "exited" }), [], "dev"), /omniai:backendMemory/);
  });

  it("use memory without the page cache", () => {
    const stats = {
      memory_stats: { usage: 100, limit: 200, stats: { total_inactive_file: 40 } },
      cpu_stats: { cpu_usage: { total_usage: 30 }, system_cpu_usage: 200, online_cpus: 2 },
      precpu_stats: { cpu_usage: { total_usage: 10 }, system_cpu_usage: 100 },
    };
    assert.deepEqual(usageOf(stats as never), { memory: 60, memoryLimit: 200, cpu: 40 });
  });
});

describe("logs", () => {
  const frame = (stream: number, text: string): Buffer => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  it("are read out of the engine's frames, and plain where there are none", () => {
    assert.equal(unframe(Buffer.concat([frame(1, "ä\n"), frame(2, "b\n")])), "ä\nb\n");
    assert.equal(unframe(Buffer.from("no frames here")), "no frames here");
  });

  it("are handed on line by line, the last one too", async () => {
    const lines: string[] = [];
    const stream = eachLine((line) => lines.push(line));
    for (const piece of ["a", "b\nc\r\n", "d"]) stream.write(piece);
    stream.end();
    await new Promise((resolve) => stream.on("end", resolve));
    assert.deepEqual(lines, ["ab", "c", "d"]);
  });

  it("since a span or a date", () => {
    const now = new Date("2026-11-23T10:00:00Z");
    assert.equal(sinceSeconds("10m", now), now.getTime() / 1000 - 600);
    assert.equal(sinceSeconds("2026-11-23T09:00:00Z", now), now.getTime() / 1000 - 3600);
    assert.throws(() => sinceSeconds("soon", now), OpsError);
  });

  it("of a container that starts later are found by its labels", () => {
    const event = {
      time: 5,
      Actor: { ID: "x", Attributes: { "io.omniai.workload": "edge", "io.omniai.replica": "1" } },
    };
    assert.deepEqual(parseStart(JSON.stringify(event)), { id: "x", workload: "edge", replica: 1, time: 5 });
    assert.equal(parseStart("{"), undefined);
  });
});

describe("words", () => {
  it("for sizes and spans", () => {
    assert.deepEqual([0, 1023, 1536, 200 * 1024 ** 2].map(bytes), ["0 B", "1023 B", "1.5 KiB", "200 MiB"]);
    assert.deepEqual([0, 59, 93_784, 3600].map(duration), ["0 s", "59 s", "1 d 2 h", "1 h"]);
  });

  it("in columns, coloured or not", () => {
    assert.deepEqual(
      table(
        [
          ["a", "b"],
          ["\u001b[31mlong\u001b[39m", "c"],
        ],
        "",
      ),
      ["a     b", "\u001b[31mlong\u001b[39m  c"],
    );
  });

  it("for outputs, secrets masked", () => {
    const outputs = { a: { value: 1, secret: false }, b: { value: "x", secret: true } };
    assert.deepEqual(visible(outputs, false), { a: 1, b: "[secret]" });
    assert.deepEqual(visible(outputs, true), { a: 1, b: "x" });
    assert.deepEqual(urlsOf({ urls: { value: { http: "h", other: 1 } } }), { http: "h" });
  });

  it("of /proc/net/tcp: who listens, not who is connected", () => {
    const head =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    const row = (state: string, inode: number): string =>
      `   0: 0100007F:1F90 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  0 0 ${inode} 1`;
    assert.deepEqual(listeningInodes([head, row("0A", 11), row("01", 12)].join("\n"), 8080), ["11"]);
    assert.deepEqual(listeningInodes([head, row("0A", 11)].join("\n"), 8081), []);
  });
});
