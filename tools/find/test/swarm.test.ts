/** What the docker plugin of this machine makes of services, on a swarm of one machine. */
import { strict as assert } from "node:assert";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import { loadImages } from "../../../test/support/box/machine.ts";
import { eventually } from "../../../test/support/http.ts";
import { startLab, type Lab } from "../../../test/support/swarm/lab.ts";
import { createContext, REPOSITORY_ROOT } from "../../host/context.ts";
import { run, type RunResult } from "../../host/run.ts";
import { ensureImages } from "../images/index.ts";
import { ensureToolchain, type Toolchain } from "../index.ts";
import { readBackSwarm } from "./support/read-back-swarm.ts";

const IMAGE = "debian:trixie-slim";

describe("the docker plugin on a swarm @engine", function () {
  this.timeout(3 * 60_000);
  let chain: Toolchain;
  let lab: Lab;
  let folder: string;
  let env: NodeJS.ProcessEnv;

  before(async function () {
    this.timeout(30 * 60_000); // a bare machine builds every part first
    chain = await ensureToolchain(createContext());
    const engine = chain.statuses.find(({ name }) => name === "docker")?.location ?? "";
    await ensureImages(createContext(), [IMAGE], engine);
    lab = await startLab(0);
    await loadImages([IMAGE], lab.manager.container);
    const digest = lab.registry.push(lab.manager, IMAGE, "base");
    folder = await mkdtemp(join(tmpdir(), "omniai-toolchain-swarm-"));
    await cp(join(import.meta.dirname, "swarm-program"), folder, { recursive: true });
    await symlink(join(REPOSITORY_ROOT, "node_modules"), join(folder, "node_modules"));
    await mkdir(join(folder, "state"));
    env = {
      ...chain.env,
      PULUMI_BACKEND_URL: `file://${folder}/state`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      NO_COLOR: "1",
      DOCKER_HOST: lab.manager.host,
    };
    await ok(pulumi("stack", "init", "test"));
    await ok(pulumi("config", "set", "image", digest));
    // The program names amd64.
    if (arch() !== "x64") await ok(pulumi("config", "set", "platforms", "false"));
  });
  after(async () => {
    lab?.remove();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const pulumi = async (...args: string[]): Promise<Ended> => {
    const lines: string[] = [];
    const onLine = (line: string): void => void lines.push(line);
    const command = [...args, "--non-interactive"];
    return {
      ...(await run(chain.pulumi.command, command, { cwd: folder, env, onLine })),
      output: lines.join("\n"),
    };
  };
  const up = (...config: string[]): Promise<Ended> =>
    ok(pulumi("up", "--yes", "--skip-preview", ...config.flatMap((pair) => ["-c", pair])));
  const config = async (key: string): Promise<string> =>
    (await ok(pulumi("config", "get", key))).stdout.trim();
  const inspect = <T>(...what: string[]): T => JSON.parse(lab.manager.docker("inspect", ...what)) as T;
  const service = (name: string): Service =>
    inspect<[Service]>("--type", "service", `omniai-test-${name}`)[0];
  const tasks = (name: string): Task[] => {
    const filter = ["--no-trunc", "-q", "--filter", "desired-state=running"];
    const ids = lab.manager.docker("service", "ps", ...filter, `omniai-test-${name}`);
    return ids === "" ? [] : inspect<Task[]>("--type", "task", ...ids.split("\n"));
  };
  /** Waits until a swarm has only healthy tasks with the variable. */
  const serving = (name: string, count: number, variable: string): Promise<Task[]> =>
    eventually(`${count} tasks with ${variable}`, 60, () => {
      const found = tasks(name);
      const good = found.filter(
        ({ Status, Spec }) => Status.State === "running" && Spec.ContainerSpec.Env.includes(variable),
      );
      return good.length === count && found.length === count ? good : undefined;
    });
  const unchanged = async (): Promise<void> => {
    await ok(pulumi("preview", "--diff", "--expect-no-changes"));
    await ok(pulumi("preview", "--diff", "--expect-no-changes", "--refresh"));
  };

  it("makes services with every property of the program, and then has nothing to change", async () => {
    await up();
    await serving("replicated", 2, "VERSION=1");
    const [everywhere] = await serving("everywhere", 1, "VERSION=1");
    assert.ok(everywhere);
    const id = everywhere.Status.ContainerStatus.ContainerID;
    const [{ Config, HostConfig }] = inspect<[Container]>("--type", "container", id);
    assert.equal(Config.User, "52525:52525");
    assert.deepEqual(
      {
        readOnly: HostConfig["ReadonlyRootfs"],
        drops: HostConfig["CapDrop"],
        init: HostConfig["Init"],
        memory: HostConfig["Memory"],
        cpu: HostConfig["NanoCpus"],
        log: HostConfig["LogConfig"],
      },
      {
        readOnly: true,
        drops: ["ALL"],
        init: true,
        memory: 32 * 1024 ** 2,
        cpu: 500_000_000,
        log: { Type: "json-file", Config: { "max-file": "2", "max-size": "1m" } },
      },
    );
    const script =
      "stat -c '%a %u %g' /etc/test/password; cat /etc/test/password /etc/test/version; grep ' /tmp ' /proc/mounts; grep ' /etc/test/shared ' /proc/mounts; grep NoNewPrivs /proc/self/status";
    const said = lab.manager.docker("exec", id, "sh", "-c", script);
    assert.match(said, /^400 52525 52525\none1tmpfs \/tmp tmpfs rw,nosuid,nodev,noexec/);
    assert.match(said, /^tmpfs \/etc\/test\/shared tmpfs ro,nosuid,nodev,noexec.*size=64k/m);
    assert.match(said, /NoNewPrivs:\t1/, "the engine's own setting holds for services");
    await unchanged();
  });

  it("reads back every property that the stack sets as the official plugin does", async function () {
    if (arch() !== "x64") this.skip(); // the table names amd64
    for (let round = 0; round < 2; round += 1) await ok(pulumi("refresh", "--yes", "--skip-preview"));
    const exported = await ok(pulumi("stack", "export", "--show-secrets"));
    const { deployment } = JSON.parse(exported.stdout) as Exported;
    const states = new Map<string, Exported["deployment"]["resources"][number]>(
      deployment.resources.map((state) => [`${state.type}::${state.urn.split("::").at(-1)}`, state]),
    );
    const one = (key: string) => states.get(key) ?? assert.fail(key);
    const expected = readBackSwarm({
      image: await config("image"),
      network: one("docker:index/network:Network::network").id,
      secret: one("docker:index/secret:Secret::secret").id,
      config: one("docker:index/serviceConfig:ServiceConfig::file").id,
    });
    const found = Object.entries(expected).map(([key, table]) => [key, pick(one(key).outputs, table)]);
    assert.deepEqual(Object.fromEntries(found), expected);
  });

  it("changes more of them in place, and replaces nothing", async () => {
    const before = [service("replicated").ID, service("everywhere").ID];
    await up("version=2", "replicas=3", "password=two");
    await serving("replicated", 3, "VERSION=2");
    await serving("everywhere", 1, "VERSION=2");
    assert.deepEqual([service("replicated").ID, service("everywhere").ID], before);
    for (const [kind, name] of [
      ["secret", "two"],
      ["config", "2"],
    ] as const) {
      const filter = ["--filter", "label=omniai.test", "--format", "{{.Name}}"];
      assert.equal(lab.manager.docker(kind, "ls", ...filter), `omniai-test-${name}`);
    }
    await unchanged();
  });

  it("would replace one for another label of its containers", async () => {
    const { code, output } = await pulumi("preview", "-c", "containerLabel=2");
    await ok(pulumi("config", "rm", "containerLabel"));
    assert.equal(code, 0, output);
    assert.match(output, /docker:index:Service +replicated +replace/);
  });

  it("shows a change where the platforms of the image are left out of a placement", async () => {
    const { code, output } = await pulumi("preview", "--diff", "-c", "platforms=false");
    await ok(pulumi("config", "rm", "platforms"));
    assert.equal(code, 0, output);
    assert.match(output, /platforms/);
  });

  it("sees that the swarm went back where the new tasks do not get healthy", async () => {
    await up("healthy=false");
    await eventually(
      "a rollback",
      150,
      () => service("replicated").UpdateStatus?.State === "rollback_completed",
    );
    await serving("replicated", 3, "HEALTHY=true");
    const { output } = await pulumi("preview", "--diff", "--refresh");
    assert.match(output, /HEALTHY/);
    await up("healthy=true");
    await eventually("a rollback", 150, () => service("everywhere").UpdateStatus?.State !== "updating");
    await up("version=3");
    await serving("replicated", 3, "VERSION=3");
    await unchanged();
  });

  it("refuses a property that a stand-in lacks, and names it", async function () {
    const plugin = chain.statuses.find(({ name }) => name === "pulumi-resource-docker");
    if (plugin?.way !== "built") this.skip(); // the official plugin has them all
    const { code, output } = await pulumi("preview", "-c", "hosts=true");
    await ok(pulumi("config", "rm", "hosts"));
    assert.notEqual(code, 0);
    assert.match(
      output,
      /Service has no property taskSpec\.containerSpec\.hosts[\s\S]*official docker plugin/,
    );
  });

  it("and removes everything", async () => {
    await ok(pulumi("destroy", "--yes", "--skip-preview"));
    assert.equal(lab.manager.docker("service", "ls", "-q"), "");
    assert.equal(lab.manager.docker("secret", "ls", "-q"), "");
    assert.equal(lab.manager.docker("network", "ls", "-q", "--filter", "label=omniai.test"), "");
  });
});

/** What the table names: the official plugin has more, which nobody sets. */
function pick(found: unknown, table: unknown): unknown {
  if (isSecret(found)) return JSON.parse(found.plaintext);
  if (Array.isArray(table) && Array.isArray(found)) {
    // Mounts are a set, in an order of the plugin's own; those of the table are by target.
    const inOrder = [...(found as unknown[])].sort((left, right) =>
      targetOf(left).localeCompare(targetOf(right)),
    );
    return inOrder.map((one, index) => pick(one, (table as unknown[])[index]));
  }
  if (typeof table !== "object" || table === null || typeof found !== "object" || found === null)
    return found;
  const values = found as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, pick(values[name], value)]));
}

const targetOf = (value: unknown): string =>
  typeof value === "object" && value !== null && "target" in value ? String(value.target) : "";

/** A secret of a state that was exported in plain text. */
const isSecret = (value: unknown): value is { readonly plaintext: string } =>
  typeof value === "object" && value !== null && "plaintext" in value;

interface Exported {
  readonly deployment: {
    readonly resources: readonly {
      readonly type: string;
      readonly urn: string;
      readonly id: string;
      readonly outputs: Readonly<Record<string, unknown>>;
    }[];
  };
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

interface Service {
  readonly ID: string;
  readonly UpdateStatus?: { readonly State: string };
}

interface Task {
  readonly Status: { readonly State: string; readonly ContainerStatus: { readonly ContainerID: string } };
  readonly Spec: { readonly ContainerSpec: { readonly Env: readonly string[] } };
}

interface Container {
  readonly Config: { readonly User: string };
  readonly HostConfig: Readonly<Record<string, unknown>>;
}
