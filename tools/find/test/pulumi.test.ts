/** The toolchain of this machine deploys a real stack. */
import { strict as assert } from "node:assert";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createContext, REPOSITORY_ROOT } from "../../host/context.ts";
import { type RunResult, run } from "../../host/run.ts";
import { ensureImages } from "../images/index.ts";
import { ensureToolchain, type Toolchain } from "../index.ts";
import { readBack, type Table } from "./support/read-back.ts";
import { freePort } from "../../host/free-port.ts";

describe("the toolchain deploys a real stack @engine", function () {
  this.timeout(3 * 60_000);
  let chain: Toolchain;
  let folder: string;
  let env: NodeJS.ProcessEnv;
  let ports: [number, number];
  const label = `run-${process.pid}-${Date.now()}`;

  before(async function () {
    this.timeout(30 * 60_000); // a bare machine builds every part first
    chain = await ensureToolchain(createContext());
    const engine = chain.statuses.find((status) => status.name === "docker");
    await ensureImages(createContext(), ["debian:trixie-slim"], engine?.location ?? "");
    folder = await mkdtemp(join(tmpdir(), "omniai-toolchain-stack-"));
    await cp(join(import.meta.dirname, "program"), folder, { recursive: true });
    await symlink(join(REPOSITORY_ROOT, "node_modules"), join(folder, "node_modules"));
    await mkdir(join(folder, "state"));
    const own = {
      PULUMI_BACKEND_URL: `file://${folder}/state`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      NO_COLOR: "1",
    };
    env = { ...chain.env, ...own, DOCKER_HOST: engine?.location };
    await ok(pulumi("stack", "init", "test"));
    await ok(pulumi("config", "set", "run", label));
    ports = [await freePort(), await freePort()];
    await ok(pulumi("config", "set", "httpPort", String(ports[0])));
    await ok(pulumi("config", "set", "httpsPort", String(ports[1])));
  });

  after(async () => {
    if (!folder) return;
    await pulumi("destroy", "--yes", "--skip-preview"); // nothing is left when all tests passed
    await rm(folder, { recursive: true, force: true });
  });

  const runHere = async (program: string, args: readonly string[]): Promise<Ended> => {
    const lines: string[] = [];
    const result = await run(program, args, { cwd: folder, env, onLine: (line) => void lines.push(line) });
    return { ...result, output: lines.join("\n") };
  };
  const pulumi = (...args: string[]): Promise<Ended> =>
    runHere(chain.pulumi.command, [...args, "--non-interactive"]);
  const up = (...config: string[]): Promise<Ended> =>
    pulumi("up", "--yes", "--skip-preview", ...config.flatMap((pair) => ["-c", pair]));
  const docker = async (...args: string[]): Promise<string> =>
    (await ok(runHere("docker", args))).stdout.trim();
  const containers = async (): Promise<string[]> => {
    const ids = await docker("ps", "-q", "--no-trunc", "--filter", `label=omniai.test.app=${label}`);
    return ids.split("\n").filter((id) => id);
  };

  it("with every property of the program", async () => {
    await ok(up());
    const [container] = JSON.parse(await docker("inspect", (await containers())[0] ?? "")) as [Inspected];
    const { HostConfig: host, Config: config } = container;
    assert.equal(config.User, "52525:52525");
    assert.equal(container.State.Health.Status, "healthy");
    assert.deepEqual(
      {
        readOnly: host.ReadonlyRootfs,
        drops: host.CapDrop,
        security: host.SecurityOpt,
        tmpfs: host.Tmpfs,
        init: host.Init,
        log: host.LogConfig,
        memory: [host.Memory, host.MemorySwap],
        cpu: [host.NanoCpus, host.CpuShares],
        ulimits: host.Ulimits,
      },
      {
        readOnly: true,
        drops: ["ALL"],
        security: ["no-new-privileges:true"],
        tmpfs: { "/tmp": "rw,noexec,nosuid,size=16m" },
        init: true,
        log: { Type: "json-file", Config: { "max-file": "2", "max-size": "1m" } },
        memory: [64 * 1024 ** 2, 64 * 1024 ** 2],
        cpu: [500_000_000, 256],
        ulimits: [{ Name: "nofile", Hard: 64, Soft: 64 }],
      },
    );
    const [network] = Object.values(container.NetworkSettings.Networks);
    assert.ok(network?.Aliases.includes("app"));
    assert.equal(await docker("exec", container.Id, "cat", "/greeting", "/data/version"), "hello\n1");
    assert.equal(
      await docker("image", "inspect", container.Image, "-f", '{{index .Config.Labels "omniai.test"}}'),
      label,
    );
  });

  it("and then has nothing to change, also after a refresh", async () => {
    await ok(pulumi("preview", "--expect-no-changes"));
    await ok(pulumi("preview", "--expect-no-changes", "--refresh"));
  });

  it("reads back every property that the stack sets as the official plugin does", async () => {
    await ok(pulumi("refresh", "--yes", "--skip-preview"));
    const exported = JSON.parse((await ok(pulumi("stack", "export"))).stdout) as Exported;
    const outputs = new Map(
      exported.deployment.resources.map(({ type, urn, outputs }) => [
        `${type}::${urn.split("::").at(-1)}`,
        outputs,
      ]),
    );
    const one = (key: string): Record<string, unknown> => outputs.get(key) ?? assert.fail(key);
    const expected = readBack({
      run: label,
      ports,
      imageId: String(one("docker:index/remoteImage:RemoteImage::image")["imageId"]),
      network: String(one("docker:index/network:Network::network")["name"]),
    });
    const found = Object.entries(expected).map(([key, table]) => [key, pick(one(key), table)]);
    assert.deepEqual(Object.fromEntries(found), expected);
  });

  it("shows a change where the official plugin reads back another spelling of the CPU limit", async () => {
    const { code, output } = await pulumi("preview", "--diff", "--refresh", "-c", "cpus=1");
    await ok(pulumi("config", "rm", "cpus"));
    assert.equal(code, 0, output);
    assert.match(output, /replace[\s\S]*cpus *: "1\.0" => "1"/);
    await ok(pulumi("preview", "--expect-no-changes"));
  });

  it("starts a container that was stopped by hand, and makes none anew", async () => {
    const before = await containers();
    await docker("stop", ...before);
    const { output } = await ok(pulumi("up", "--yes", "--skip-preview", "--refresh"));
    assert.match(output, /1 updated/);
    assert.deepEqual(await containers(), before);
  });

  it("keeps a value made from a secret out of the plain state, and gives it to the command", async () => {
    const outputs = JSON.parse(
      (await ok(pulumi("stack", "output", "--json", "--show-secrets"))).stdout,
    ) as Outputs;
    assert.equal(outputs.stdout, `${outputs.secret} hello 1`);
    const state = await readFile(
      join(folder, "state/.pulumi/stacks/omniai-toolchain-test/test.json"),
      "utf8",
    );
    assert.ok(!state.includes(outputs.secret));
  });

  it("replaces a container by creating, waiting until it is healthy, and only then stopping the old one", async () => {
    const [old] = await containers();
    const since = String(Date.now() / 1000);
    await ok(up("version=2"));
    const [now, ...others] = await containers();
    assert.deepEqual(others, []);
    assert.notEqual(now, old);
    const format = "{{.ID}} {{.Action}}";
    const filters = ["--filter", "type=container", "--filter", `label=omniai.test.app=${label}`];
    const until = String(Date.now() / 1000);
    const events = (
      await docker("events", "--since", since, "--until", until, "--format", format, ...filters)
    ).split("\n");
    const order = ["start", "health_status: healthy"].map((action) => events.indexOf(`${now} ${action}`));
    order.push(events.indexOf(`${old} kill`), events.indexOf(`${old} destroy`));
    assert.ok(!order.includes(-1), events.join("\n"));
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      events.join("\n"),
    );
  });

  it("keeps the old container when the new one does not become healthy, also on a second try", async () => {
    const [good] = await containers();
    for (const attempt of [1, 2]) {
      const { code, output } = await up("healthy=false");
      assert.notEqual(code, 0, output);
      assert.match(output, /healthy/);
      assert.ok((await containers()).includes(good ?? ""), `attempt ${attempt} removed the good one`);
    }
    await ok(up("healthy=true"));
    assert.equal((await containers()).length, 1, "the failed attempts left nothing");
    await ok(pulumi("preview", "--expect-no-changes"));
  });

  it("refuses a property that a stand-in lacks, and names it", async function () {
    const plugin = chain.statuses.find((status) => status.name === "pulumi-resource-docker");
    if (plugin?.way !== "built") this.skip(); // the official plugin has them all
    const { code, output } = await pulumi("preview", "-c", "cpuPeriod=100000");
    assert.notEqual(code, 0);
    assert.match(output, /Container has no property cpuPeriod[\s\S]*official docker plugin/);
    await ok(pulumi("config", "rm", "cpuPeriod"));
  });

  it("and removes everything", async () => {
    await ok(pulumi("destroy", "--yes", "--skip-preview"));
    assert.equal(await docker("ps", "-aq", "--filter", `label=omniai.test=${label}`), "");
    assert.equal(await docker("images", "-q", `omniai-toolchain-test:${label}`), "");
  });

  it("takes less than two seconds when nothing is missing", async () => {
    const took: number[] = [];
    // The best of them: a busy machine adds to each.
    for (let tries = 0; tries < 3 && !took.some((ms) => ms < 2000); tries += 1) {
      const started = performance.now();
      await ensureToolchain(createContext());
      took.push(Math.round(performance.now() - started));
    }
    assert.ok(Math.min(...took) < 2000, `it took ${took.join(", ")} ms`);
  });
});

/**
 * What the table names. Of a build, a network and a volume it may have less than the official plugin, which has more there that
 * nobody sets and this one does not have.
 */
function pick(found: unknown, table: unknown, property = ""): unknown {
  if (Array.isArray(table) && Array.isArray(found) && ["networksAdvanced", "volumes"].includes(property))
    return found.map((one, index) => pick(one, (table as unknown[])[index] ?? {}));
  if (property !== "" && property !== "build") return found;
  return Object.fromEntries(
    Object.entries(table as Table).map(([name, value]) => [name, pick((found as Table)[name], value, name)]),
  );
}

interface Ended extends RunResult {
  /** All that it printed. */
  readonly output: string;
}

async function ok(result: Promise<Ended>): Promise<Ended> {
  const ended = await result;
  assert.equal(ended.code, 0, ended.output);
  return ended;
}

interface Outputs {
  readonly secret: string;
  readonly stdout: string;
}

interface Exported {
  readonly deployment: {
    readonly resources: readonly {
      readonly type: string;
      readonly urn: string;
      readonly outputs: Record<string, unknown>;
    }[];
  };
}

interface Inspected {
  readonly Id: string;
  readonly Image: string;
  readonly Config: { readonly User: string };
  readonly State: { readonly Health: { readonly Status: string } };
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly Aliases: readonly string[] }>>;
  };
}
