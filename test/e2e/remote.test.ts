/**
 * A stack on a second machine, which two operators reach over nothing but SSH: each from a checkout of their own, on a
 * machine without an engine, with one state between them, in a bucket of an S3 server.
 */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { imageNames, readSettings } from "../../ops/stack/settings.ts";
import { call, eventually } from "../support/http.ts";
import { docker, startCommandIn, type CommandResult } from "../support/stack.ts";
import { assertNothingDropped, startTraffic } from "../support/traffic.ts";
import { startBox, type Box } from "../support/box/box.ts";
import { startTeam, type Operator, type Team } from "../support/box/operators.ts";
import { startBucket, type Bucket } from "../support/s3.ts";

const STACK = `test-remote-${process.pid}`;
const REPOSITORY = join(import.meta.dirname, "../..");
const RATE = 30;
const STREAMS = 5;
/** sshd refuses at random what is not let in yet, from the eleventh on (MaxStartups); we stay far below. */
const MOST_CONNECTIONS = 3;
/** What is promised over a way with 20 ms for a round trip. */
const promised = { status: 4, up: 30 };
/** How often a command starts the Pulumi CLI, which takes a fifth of a second at least. */
const cliStarts = { status: 2, up: 7 };

const good = ({ code, output }: CommandResult): void => assert.equal(code, 0, output);
const unchanged = (result: CommandResult): void => {
  good(result);
  assert.match(result.output, /\d+ unchanged/);
  assert.doesNotMatch(result.output, /\d+ (created|updated|replaced|deleted)/);
};

describe("a stack on another machine", function () {
  this.timeout(600_000);
  let box: Box;
  let bucket: Bucket;
  let team: Team;
  let laptop: Operator;
  let runner: Operator;
  /** A lock as a run of ours takes it. */
  let lock: { file: string; text: string };

  before(async () => {
    bucket = await startBucket();
    box = await startBox(imageNames("dev", readSettings(REPOSITORY, "dev").config));
    team = startTeam(box, STACK, bucket.env);
    laptop = team.operator();
    laptop.configure({ switchSeconds: 4, drainSeconds: 2, backendStartSeconds: 5 });
  });
  after(() => {
    team?.remove();
    box?.remove();
    bucket?.remove();
  });

  async function withFewConnections(work: () => Promise<CommandResult>): Promise<CommandResult> {
    const { connections, ...result } = await box.counted(work);
    assert.ok(connections.all >= 1, "it went over SSH");
    assert.ok(connections.atOnce <= MOST_CONNECTIONS, `${connections.atOnce} SSH connections at once`);
    return result;
  }
  /**
   * Runs a command over a way with 20 ms for a round trip, as to a host some hundred km away.
   * @param seconds what it may take. Tests run on busy machines, so three times as long is still good here;
   *   `npm run bench:remote` measures.
   * @param calls how often it starts the Pulumi CLI.
   */
  async function fromFar(
    what: string,
    seconds: number,
    calls: number,
    operator: Operator,
    ...command: [string, ...string[]]
  ) {
    box.delay(10);
    try {
      const result = await box.counted(() => operator.counted(...command));
      const started = result.starts.filter((line) => /^pulumi /.test(line));
      console.log(
        `      ${what} from far away: ${result.seconds.toFixed(1)} s (at most ${seconds} on a quiet machine), ` +
          `${result.connections.all} SSH connections, the Pulumi CLI started ${started.length} times`,
      );
      assert.equal(started.length, calls, result.starts.join("\n"));
      assert.ok(result.connections.all >= 1 && result.connections.atOnce <= MOST_CONNECTIONS);
      assert.ok(result.seconds <= 3 * seconds, `${what} took ${result.seconds} s`);
      return result;
    } finally {
      box.delay(0);
    }
  }
  const locks = (): string[] => bucket.objects(".pulumi/locks/");
  async function served(change: () => Promise<CommandResult>): Promise<void> {
    const traffic = await startTraffic(box.https, RATE, STREAMS);
    const result = await withFewConnections(change);
    assertNothingDropped(await traffic.stop());
    good(result);
  }
  const build = async (): Promise<string> =>
    (JSON.parse((await call(`${box.http}/api/diag`)).text) as { build: string }).build;
  const containers = (workload: string): string[] =>
    box
      .inside(
        `docker ps --filter label=io.omniai.stack=${STACK} --filter label=io.omniai.workload=${workload} --format '{{.Names}}'`,
      )
      .split("\n")
      .filter((name) => name !== "");

  it("is not touched while the machine's key is not the one of the config", async () => {
    const { connections, ...result } = await box.counted(async () => {
      execFileSync("ssh-keygen", ["-q", "-t", "ecdsa", "-N", "", "-f", join(team.folder, "other")]);
      const other = readFileSync(join(team.folder, "other.pub"), "utf8");
      laptop.configure({ hostKey: other.split(" ").slice(0, 2).join(" ") });
      return laptop.run("health");
    });
    assert.equal(result.code, 1, result.output);
    assert.match(result.output, /does not have the key that omniai:hostKey names[\s\S]*on its own console/);
    assert.equal(connections.all, 0, "nobody logged in");
    laptop.configure({ hostKey: box.hostKey });
  });

  it("has its machine prepared", async () => {
    good(await laptop.run("host", "--yes"));
  });

  it("lets in what it should and nothing else", async function () {
    const isIn = (script: string): string => box.inside(script);
    if (!/policy drop/.test(isIn("nft list table inet omniai 2>&1 || true"))) return this.skip(); // the kernel has no nftables
    assert.match(isIn("nft list table inet omniai"), /tcp dport \{ 22, /);
    // A server of addresses answers from its own link-local address: no answer to anything that was seen to leave.
    isIn(`ip netns add peer && ip link add here type veth peer name there netns peer
      sysctl -qw net.ipv6.conf.here.disable_ipv6=0 && ip link set here up
      ip netns exec peer sysctl -qw net.ipv6.conf.there.disable_ipv6=0 && ip -n peer link set there up`);
    const addressOf = (end: string): string =>
      isIn(`ip ${end} scope link -tentative | awk '{ print $4 }' | cut -d/ -f1`);
    const address = (): string => addressOf("-6 -o addr show dev here");
    // Whoever sends without one of its own yet sends nothing.
    await eventually("an address at both ends", 60, () =>
      [address(), addressOf("-n peer -6 -o addr show dev there")].every((found) => found !== ""),
    );
    const arrived = (): number => Number(isIn("awk '$1 == \"Udp6NoPorts\" { print $2 }' /proc/net/snmp6"));
    const send = (port: number): void =>
      void isIn(`ip netns exec peer bash -c 'echo hello > /dev/udp/${address()}%there/${port}'`);
    const before = arrived();
    send(547);
    send(546);
    await eventually("an answer of DHCPv6", 30, () => arrived() === before + 1);
  });

  it("comes up without an engine on the operator's machine", async () => {
    const coming = withFewConnections(() => laptop.run("up", "--yes"));
    await Promise.race([coming, eventually("a lock in the bucket", 300, () => locks().length === 1)]);
    const [name = ""] = locks();
    lock = { file: join(bucket.folder, name), text: readFileSync(join(bucket.folder, name), "utf8") };
    good(await coming);
    assert.deepEqual(locks(), []);
    await eventually("the service", 60, async () => (await call(`${box.http}/readyz`)).status === 200);
    assert.equal(containers("backend").length, 2);
  });

  it("is locked by a run that was lost, until somebody says that it is over", async () => {
    runner = team.operator({ CI: "true" });
    team.pull(runner, laptop);
    // What a run leaves behind whose machine was lost.
    // The server removes a folder with its last object.
    mkdirSync(dirname(lock.file), { recursive: true });
    writeFileSync(lock.file, lock.text);
    const refused = await runner.run("up", "--yes", "--lock-wait", "1");
    assert.equal(refused.code, 3, refused.output);
    assert.match(
      refused.output,
      new RegExp(`locked by pid \\d+ of \\w+ on [\\s\\S]*npm run stack -- unlock ${STACK}`),
    );
    assert.equal(locks().length, 1);
    good(await startCommandIn(runner.env, runner.checkout, "stack", "unlock", STACK, "--yes").done);
    assert.deepEqual(locks(), []);
  });

  it("is the same stack for a runner that begins with nothing", async () => {
    unchanged(await withFewConnections(() => runner.run("up", "--yes")));
    unchanged(await fromFar("an unchanged up", promised.up, cliStarts.up, laptop, "up", "--yes"));
  });

  it("is looked at from both, with one connection for each command", async () => {
    for (const operator of [laptop, runner]) {
      const { connections, ...status } = await fromFar(
        "status",
        promised.status,
        cliStarts.status,
        operator,
        "status",
      );
      good(status);
      assert.match(status.output, /Last update: succeeded[\s\S]*✓ {2}edge[\s\S]*postgres-data/);
      assert.deepEqual(connections, { all: 1, atOnce: 1 });
      const logs = await withFewConnections(() => operator.run("logs", "backend", "--tail", "5"));
      good(logs);
      assert.match(logs.output, /backend/);
      good(await withFewConnections(() => operator.run("drift")));
    }
    const doctor = await withFewConnections(() => laptop.run("doctor"));
    assert.match(doctor.output, /✓ {2}docker .*ssh:\/\/deploy@127\.0\.0\.1/);
  });

  it("has its users and its maintenance", async () => {
    good(await withFewConnections(() => runner.run("user", "add", "ada")));
    assert.match((await laptop.run("user", "list")).output, /ada/);
    good(await runner.run("maintenance", "on", "--message", "back soon"));
    assert.equal((await call(`${box.http}/api/diag`)).status, 503);
    good(await laptop.run("maintenance", "off"));
    assert.equal((await call(`${box.http}/api/diag`)).status, 200);
  });

  it("is deployed by the runner, and taken back from the laptop, in use", async () => {
    const first = await build();
    appendFileSync(join(runner.checkout, "service/src/main.ts"), "\n// another version\n");
    await served(() => runner.run("up", "--yes"));
    assert.notEqual(await build(), first);
    await served(() => laptop.run("rollback"));
    assert.equal(await build(), first);
    team.pull(laptop, runner);
    await served(() => laptop.run("up", "--yes"));
  });

  it("has a third replica, and no more, in use", async () => {
    laptop.configure({ backendReplicas: 3 });
    await served(() => laptop.run("up", "--yes"));
    assert.equal(containers("backend").length, 3);
    laptop.configure({ backendReplicas: 2 });
    team.pull(runner, laptop);
    await served(() => runner.run("up", "--yes"));
    assert.equal(containers("backend").length, 2);
  });

  it("is restarted where sshd forwards nothing and lets a connection run only what is Debian's default", async () => {
    box.inside("echo 'DisableForwarding yes' > /etc/ssh/sshd_config.d/test.conf && pkill -HUP -o sshd");
    const before = containers("backend");
    await served(() => runner.run("restart"));
    assert.ok(containers("backend").every((name) => !before.includes(name)));
    box.inside("rm /etc/ssh/sshd_config.d/test.conf && pkill -HUP -o sshd");
  });

  it("is reached by an alias of ~/.ssh/config, through another machine, with a key file", async () => {
    box.configureSsh(
      [
        "Host *",
        `  IdentityFile ${box.keyFile}`,
        `  UserKnownHostsFile ${join(team.folder, "known_hosts")}`,
        "  User deploy",
        "Host gate",
        `  HostName 127.0.0.1\n  Port ${box.sshPort}\n  StrictHostKeyChecking no`,
        "Host inner",
        "  HostName localhost\n  ProxyJump gate\n  LocalForward 22 127.0.0.1:22",
        "",
      ].join("\n"),
    );
    const other = team.operator({ SSH_AUTH_SOCK: "" });
    team.pull(other, laptop);
    const before = { ...team.config };
    other.configure({ dockerHost: "ssh://inner", hostPrepare: false, hostKey: "" });
    const unknown = await other.run("health");
    assert.equal(unknown.code, 1, unknown.output);
    assert.match(
      unknown.output,
      /This machine does not know the key of inner[\s\S]*log in once by hand: ssh inner/,
    );
    other.configure({ hostKey: box.hostKey });
    good(await withFewConnections(() => other.run("health")));
    Object.assign(team.config, before);
    box.configureSsh("");
  });

  it("is reached with the key of its own config, which is on no disk afterwards", async () => {
    const other = team.operator({ SSH_AUTH_SOCK: "" });
    team.pull(other, laptop);
    const refused = await other.run("health");
    assert.equal(refused.code, 1, refused.output);
    assert.match(refused.output, /does not let us log in[\s\S]*ssh-add/);
    execFileSync("pulumi", ["config", "set", "--secret", "--stack", STACK, "omniai:hostPrivateKey"], {
      cwd: other.checkout,
      env: other.env,
      input: execFileSync("cat", [box.keyFile]),
    });
    good(await withFewConnections(() => other.run("health")));
  });

  it("is looked at with a key that may do nothing but reach the engine", async () => {
    const keys = "/home/deploy/.ssh/authorized_keys";
    box.inside(`sed -i 's|^|restrict,command="docker system dial-stdio" |' ${keys}`);
    good(await withFewConnections(() => laptop.run("health")));
    box.inside(`sed -i 's|^restrict,command="[^"]*" ||' ${keys}`);
  });

  it("is left by whoever is interrupted or killed, with no connection and no key behind", async () => {
    const folders = (): string[] => readdirSync(team.folder).filter((name) => name.startsWith("omniai-ssh-"));
    const before = folders();
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const following = laptop.start("logs", "--follow");
      await following.until(/backend/);
      following.kill(signal);
      await following.done;
      await eventually(`no connection after ${signal}`, 60, () => sshProcesses() === "");
    }
    // Only a command that could not tidy up leaves its folder, and never a key in it.
    const left = folders().filter((name) => !before.includes(name));
    assert.equal(left.length, 1, left.join(", "));
    assert.ok(!readdirSync(join(team.folder, left[0] ?? "")).includes("key"));
  });
  const sshProcesses = (): string =>
    execFileSync(
      "sh",
      ["-c", `grep -la ${team.folder}/[o]mniai-ssh /proc/[0-9]*/cmdline 2>/dev/null || true`],
      {
        encoding: "utf8",
      },
    ).trim();

  it("is taken down by the runner, and this machine's engine never had any of it", async () => {
    good(await withFewConnections(() => runner.run("down", "--delete-data", "--yes")));
    assert.equal(
      box.inside(`docker ps -aq; docker volume ls -q --filter label=io.omniai.stack=${STACK}`),
      "",
    );
    const filters = { label: [`io.omniai.stack=${STACK}`] };
    assert.deepEqual(await docker.listContainers({ all: true, filters }), []);
    assert.deepEqual((await docker.listVolumes({ filters: JSON.stringify(filters) })).Volumes ?? [], []);
  });
});
