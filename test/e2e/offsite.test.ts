/** Copies off-site of a real stack: made, drilled, and all that is left after the loss of its host. */
import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { keyId } from "../../ops/commands/backup/key.ts";
import type { DrillReport } from "../../ops/commands/drill/drill.ts";
import { ROOM_PROGRAM } from "../../infra/components/backup/image.ts";
import { defaults } from "../../infra/test/defaults.ts";
import { ACCESS_KEY, BUCKET, BucketServer, SECRET_KEY } from "../support/backup-room/bucket.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call, eventually } from "../support/http.ts";
import { holdPulumi } from "../support/held-pulumi.ts";
import { untilAtRest } from "../support/own-backups.ts";
import {
  createStack,
  docker,
  killWhen,
  startCommandIn,
  sweep,
  type RunningCommand,
  type TestStack,
} from "../support/stack.ts";
import { freePort } from "../../tools/host/free-port.ts";

const POSTGRES = String(defaults["postgresImage"]);

interface Key {
  readonly id: string;
  readonly created: boolean;
  readonly key?: string;
  /** Of a rotation: the id of the key before. */
  readonly former?: string;
  /** The id of the key that the newest copy was sent with. */
  readonly newestCopy?: string;
}

describe("the copies off-site of a stack", function () {
  this.timeout(600_000);
  let checkout: string;
  let fresh: string | undefined;
  let stack: TestStack;
  let bucket: BucketServer;
  let endpoint = "";
  let key: Key;
  let former: Key;

  const sql = (statement: string): string =>
    execFileSync(
      "docker",
      [
        ...["exec", `omniai-${stack.name}-postgres`, "psql", "-U", "postgres", "-d", "omniai"],
        ...["-qAtc", statement],
      ],
      { encoding: "utf8" },
    ).trim();
  const asJson = async <T>(command: string, ...args: string[]): Promise<T> => {
    const { code, stdout, output } = await stack.run(command, ...args, "--json");
    assert.equal(code, 0, output);
    return JSON.parse(stdout) as T;
  };
  /** By the room itself, with the key that it has now. */
  const sendCopy = (): void => {
    const send = ["exec", `omniai-${stack.name}-backup`, ...ROOM_PROGRAM, "offsite", "--wait", "120"];
    assert.match(execFileSync("docker", send, { encoding: "utf8" }), /"event": "done"/);
  };
  /** A command of a machine that knows nothing but what is said here. */
  const elsewhere = (folder: string, operatorsKey: string, ...args: string[]) =>
    startCommandIn(
      {
        ...process.env,
        NO_COLOR: "1",
        OMNIAI_OFFSITE_KEY: operatorsKey,
        OMNIAI_OFFSITE_SECRET_KEY: SECRET_KEY,
      },
      folder,
      args[0] ?? "",
      ...args.slice(1),
      ...["--stack", stack.name, "--bucket", `${endpoint}/${BUCKET}`, "--access-key-id", ACCESS_KEY],
    );

  before(async () => {
    checkout = createCheckout();
    const name = `omniai-test-bucket-${process.pid}`;
    ({ server: bucket, endpoint } = await BucketServer.createAlone(POSTGRES, name, await freePort()));
    stack = await createStack(checkout, {
      backendReplicas: 1,
      offsiteBucket: `${endpoint}/${BUCKET}`,
      offsiteAccessKeyId: ACCESS_KEY,
    });
    key = await asJson<Key>("backup", "key");
    execFileSync("pulumi", ["config", "set", "--secret", "omniai:offsiteSecretKey", "--stack", stack.name], {
      cwd: checkout,
      input: SECRET_KEY,
      stdio: ["pipe", "ignore", "inherit"],
      env: {
        ...process.env,
        PULUMI_BACKEND_URL: `file://${join(checkout, ".state")}`,
        PULUMI_CONFIG_PASSPHRASE_FILE: join(checkout, ".state/passphrase"),
      },
    });
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
  });
  after(async () => {
    await stack?.remove();
    await bucket?.remove();
    for (const folder of [checkout, fresh]) if (folder !== undefined) removeCheckout(folder);
  });

  it("have a key that is shown once", async () => {
    assert.equal(key.created, true);
    assert.match(key.key ?? "", /^([0-9A-Z]{4}-){13}[0-9A-Z]{4}$/);
    const again = await asJson<Key>("backup", "key");
    assert.deepEqual([again.created, again.key, again.id], [false, undefined, key.id]);
    assert.ok(!readFileSync(join(checkout, `Pulumi.${stack.name}.yaml`), "utf8").includes(key.key ?? "?"));
  });

  it("are taken with the backups, and shown with their age", async () => {
    sql("SET ROLE omniai; CREATE TABLE kept (n int); INSERT INTO kept SELECT generate_series(1, 1000)");
    await untilAtRest(stack, 2);
    const { code, output } = await stack.run("backup");
    assert.equal(code, 0, output);
    assert.match(output, /Copy .* is off-site/);
    const shown = await stack.run("status");
    assert.match(shown.stdout, new RegExp(`newest copy off-site is from .* ago \\(\\w{8}, key ${key.id}\\)`));
    assert.match((await stack.run("backup", "list")).stdout, /Off-site: \d+ copies/);
  });

  it("are read back as they were sent, and bring back what is missing here", async () => {
    const checked = await stack.run("backup", "check");
    assert.equal(checked.code, 0, checked.output);
    assert.match(checked.output, /was read back, and is what was sent/);
    const dumps = async (): Promise<string[]> =>
      (await asJson<{ backups: { id: string; kind: string; state: string }[] }>("backup", "list")).backups
        .filter(({ kind, state }) => kind === "dump" && state === "verified")
        .map(({ id }) => id);
    const [newest = ""] = await dumps();
    const copy = (await asJson<{ offsite: { last: { id: string } } }>("backup", "list")).offsite.last.id;
    const room = `omniai-${stack.name}-backup`;
    execFileSync("docker", ["exec", room, "rm", "-r", `/backup/dumps/${newest}`]);
    assert.ok(!(await dumps()).includes(newest));
    const fetch = async (...from: string[]): Promise<readonly string[]> =>
      (await asJson<{ brought: readonly string[] }>("backup", "fetch", ...from)).brought;
    const brought = await fetch();
    // The room may have sent another copy meanwhile, which does not have what was removed: then the one before has it.
    if (!brought.includes(newest)) assert.ok((await fetch("--id", copy)).includes(newest), brought.join());
    assert.ok((await dumps()).includes(newest));
  });

  it("get another key by one command, which can be killed anywhere: the stack has a key that works and was shown, and names it", async () => {
    const file = join(checkout, `Pulumi.${stack.name}.yaml`);
    const text = (): string => readFileSync(file, "utf8");
    const keys = async (): Promise<number> => Number(await bucket.inBucket(`ls ${stack.name}/keys | wc -l`));
    /** A rotation with a Pulumi CLI that stops where it sets the key. */
    const rotating = async (
      at: "before" | "after",
      does: "waits" | "is killed",
      work: (rotation: RunningCommand, reached: () => boolean) => Promise<string>,
    ): Promise<string> => {
      const pulumi = await holdPulumi("omniai:offsiteKey", at, does);
      const args = ["--stack", stack.name, "key", "--rotate"];
      try {
        return await work(startCommandIn(pulumi.env, checkout, "backup", ...args), pulumi.reached);
      } finally {
        pulumi.remove();
      }
    };
    /** What the command has shown, which may also be in the file already. */
    const shown = (output: string): string[] => output.match(/([0-9A-Z]{4}-){13}[0-9A-Z]{4}/g) ?? [];
    const worksWithOneOf = async (known: readonly string[]): Promise<void> => {
      const { id } = await asJson<Key>("backup", "key");
      assert.ok(known.map(keyId).includes(id), `nobody has seen the key with the id ${id}`);
      sendCopy();
    };
    const papers = [key.key ?? ""];
    let before = text();
    const added = async (): Promise<boolean> => (await keys()) > 1;
    papers.push(...shown(await rotating("before", "waits", (rotation) => killWhen(rotation, added))));
    assert.equal(text(), before);
    await worksWithOneOf(papers);
    papers.push(...shown(await rotating("after", "waits", killWhen)));
    assert.notEqual(text(), before);
    await worksWithOneOf(papers);
    before = text();
    const failed = await rotating("after", "is killed", async (rotation) => (await rotation.done).output);
    assert.match(
      failed,
      /Keep what was written down of it, and the paper of the former key \(id \w{8}\), until/,
    );
    papers.push(...shown(failed));
    assert.notEqual(text(), before);
    assert.equal((await asJson<Key>("backup", "key")).id, keyId(papers.at(-1) ?? ""));
    await worksWithOneOf(papers);

    // A copy that is under way is waited for, and the operator is told.
    const lock = ["flock", "/backup/offsite-lock", "sh", "-c", "echo held; cat"];
    const copying = spawn("docker", ["exec", "-i", `omniai-${stack.name}-backup`, ...lock]);
    await once(copying.stdout, "data");
    const rotation = stack.start("backup", "key", "--rotate", "--json");
    await rotation.until(/waiting at most 300 s for another run: /);
    copying.stdin.end();
    const { code: rotates, stdout: rotatedAs, output: rotatedOutput } = await rotation.done;
    assert.equal(rotates, 0, rotatedOutput);
    const rotated = JSON.parse(rotatedAs) as Key;
    assert.ok(papers.map(keyId).includes(rotated.former ?? ""));
    assert.ok((await keys()) > 1);
    const undeployed = await asJson<Key>("backup", "key");
    assert.deepEqual([undeployed.id, undeployed.newestCopy], [rotated.id, key.id]);
    sendCopy();
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
    sendCopy();
    assert.equal(await keys(), 1, "all former keys are gone");
    assert.match((await stack.run("status")).stdout, new RegExp(`\\(\\w{8}, key ${rotated.id}\\)`));
    former = key;
    key = rotated;
  });

  it("are enough to rebuild the stack beside, which a drill shows, measures and removes", async () => {
    const report = await asJson<DrillReport>("drill");
    assert.ok(report.rto > 0 && report.rto < 300, `${report.rto} s`);
    assert.ok(report.rpo >= 0 && report.rpo < 600, `${report.rpo} s`);
    assert.ok(report.rows >= 1000);
    assert.ok(report.compared !== null);
    const label = [`io.omniai.stack=${report.drill}`];
    assert.deepEqual(await docker.listContainers({ all: true, filters: { label } }), []);
    assert.ok(!existsSync(join(checkout, `Pulumi.${report.drill}.yaml`)));
    assert.equal((await stack.run("health")).code, 0, "the stack itself was not touched");
  });

  it("bring the stack back after the loss of its host: a fresh clone, the bucket and the key are enough", async () => {
    await sweep(stack.name);
    fresh = createCheckout();
    const mistyped = await elsewhere(fresh, (key.key ?? "").replace(/.$/, "?"), "rebuild", "--yes").done;
    assert.equal(mistyped.code, 1);
    assert.match(mistyped.output, /mistyped/);
    const old = await elsewhere(fresh, former.key ?? "", "rebuild", "--yes").done;
    assert.equal(old.code, 1);
    assert.match(old.output, new RegExp(`key \\(id ${former.id}\\) does not open the repository`));
    assert.ok(!existsSync(join(fresh, `Pulumi.${stack.name}.yaml`)));
    // Killed once its stack is there, and run again: it goes on from there.
    const killed = elsewhere(fresh, key.key ?? "", "rebuild", "--yes");
    await killed.until(/putting it on the backup volume/);
    killed.kill("SIGKILL");
    await killed.done;
    const again = elsewhere(fresh, key.key ?? "", "rebuild", "--yes", "--json");
    const { code, stdout, output } = await again.done;
    assert.equal(code, 0, output);
    assert.match(output, /was broken off; it goes on/);
    assert.doesNotMatch(output, /creating \(/, "what is deployed is not deployed again");
    assert.ok((JSON.parse(stdout) as { rows: number }).rows >= 1000);
    assert.equal(sql("SELECT count(*) FROM kept"), "1000");
    await eventually("readiness", 60, async () => (await call(`${stack.http}/readyz`)).status === 200);
    stack = { ...stack, ...at(fresh) };
    // The copies of the stack go on where they were.
    sendCopy();
  });

  const at = (folder: string): Pick<TestStack, "checkout" | "run" | "remove"> => ({
    checkout: folder,
    run: (command, ...args) =>
      startCommandIn({ ...process.env, NO_COLOR: "1" }, folder, command, "--stack", stack.name, ...args).done,
    remove: async () => {
      await stack.run("down", "--delete-data", "--delete-backups", "--yes");
      await sweep(stack.name);
    },
  });

  it("and the local backups outlive the deletion of the data, unless they are asked for", async () => {
    const volumes = async (): Promise<string[]> => {
      const { Volumes } = await docker.listVolumes({
        filters: JSON.stringify({ label: [`io.omniai.stack=${stack.name}`] }),
      });
      return Volumes.map(({ Name }) => Name);
    };
    const kept = await stack.run("down", "--delete-data", "--yes");
    assert.equal(kept.code, 0, kept.output);
    assert.match(kept.output, new RegExp(`backups stay in volume omniai-${stack.name}-backup-data`));
    // Its history stays with it: the stack goes on as long as it has backups.
    const left = (await volumes()).filter((name) => !name.startsWith(`omniai-${stack.name}-changes-`));
    assert.deepEqual(left, [`omniai-${stack.name}-backup-data`]);
    const gone = await stack.run("down", "--delete-data", "--delete-backups", "--yes");
    assert.equal(gone.code, 0, gone.output);
    assert.deepEqual(await volumes(), []);
  });
});
