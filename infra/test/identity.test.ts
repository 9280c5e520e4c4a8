/** The identity of a data volume: its scripts in real folders, and what is tied to it in the program. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { claimScript, GUARD_SCRIPT, IDENTITY_FILE, MOVED_FILE } from "../resources/identity.ts";
import { COMMAND, CONTAINER, record, type Recording } from "./support/recorder.ts";

describe("a data volume's identity", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-identity-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const sh = (script: string, environment: Record<string, string>, ...args: string[]) =>
    spawnSync("sh", ["-c", script, ...args], {
      cwd: folder,
      encoding: "utf8",
      env: { PATH: process.env["PATH"], ...environment },
    });
  const MAKE = "mkdir .new\necho begun > .new/a\nmv .new/a .\nrmdir .new\necho begun > PG_VERSION";
  const run = (what: "claim" | "check", script = MAKE) =>
    sh(
      claimScript(folder, { script, folder: ".new", moving: ".moving", last: "PG_VERSION" }),
      { VOLUME: "data", IDENTITY: "mine" },
      what,
    );
  const put = (file: string, content = ""): void => writeFileSync(join(folder, file), content);
  const identity = (): string => readFileSync(join(folder, IDENTITY_FILE), "utf8").trim();

  it("comes into an empty volume after the first content, and another claim changes neither", () => {
    assert.equal(run("claim").status, 0);
    assert.equal(identity(), "mine");
    put("PG_VERSION", "17");
    assert.equal(run("claim").status, 0);
    assert.equal(readFileSync(join(folder, "PG_VERSION"), "utf8"), "17");
    assert.deepEqual(readdirSync(folder).sort(), [IDENTITY_FILE, "PG_VERSION", "a"]);
  });

  it("comes into a volume that has data from before there were identities, and leaves the data", () => {
    put("PG_VERSION", "17");
    assert.equal(run("claim").status, 0);
    assert.equal(identity(), "mine");
    assert.equal(readFileSync(join(folder, "PG_VERSION"), "utf8"), "17");
  });

  it("is not given to a volume that has another one", () => {
    put(IDENTITY_FILE, "another\n");
    for (const what of ["claim", "check"] as const) {
      const { status, stderr } = run(what);
      assert.equal(status, 1);
      assert.match(stderr, /Volume data holds other data.*another.*mine/);
    }
    assert.equal(identity(), "another");
    assert.ok(!existsSync(join(folder, "PG_VERSION")));
  });

  it("is not given to data that was moved to another machine", () => {
    put("PG_VERSION", "17");
    put(MOVED_FILE, "mine\n");
    for (const what of ["claim", "check"] as const) {
      const { status, stderr } = run(what);
      assert.equal(status, 1);
      assert.match(stderr, /data of volume data was moved to another machine/);
    }
    assert.ok(!existsSync(join(folder, IDENTITY_FILE)));
  });

  it("lets a first content that was cut off begin again, and says why one failed", () => {
    for (const cut of [
      "mkdir .new\necho half > .new/b",
      "mkdir .new\necho half > .new/b\necho v > .moving\nmv .new/b .",
    ]) {
      const broken = run("claim", `${cut}\necho why >&2\nfalse\necho not reached > c`);
      assert.deepEqual([broken.status, broken.stderr], [1, "why\n"]);
      assert.ok(!existsSync(join(folder, IDENTITY_FILE)));
      assert.equal(run("claim").status, 0);
      assert.deepEqual(readdirSync(folder).sort(), [IDENTITY_FILE, "PG_VERSION", "a"]);
      for (const file of readdirSync(folder)) rmSync(join(folder, file));
    }
  });

  it("comes into a whole copy that somebody brought after a first content had failed", () => {
    run("claim", "mkdir .new\nfalse");
    put("PG_VERSION", "17");
    put("kept", "rows");
    assert.equal(run("claim").status, 0);
    assert.equal(identity(), "mine");
    assert.deepEqual(readdirSync(folder).sort(), [IDENTITY_FILE, "PG_VERSION", "kept"]);
  });

  for (const [what, cut, brought] of [
    ["is not whole", "mkdir .new\nfalse", "appendonlydir"],
    ["lies between what was made", "mkdir .new\necho v > .moving\nfalse", "PG_VERSION"],
  ] as const) {
    it(`is refused, and nothing is removed, where what somebody brought ${what}`, () => {
      run("claim", cut);
      put(brought, "theirs");
      for (let times = 0; times < 2; times++) {
        const { status, stderr } = run("claim");
        assert.equal(status, 1);
        assert.match(stderr, /Volume data holds files .* did not make.*Nothing of them was removed/);
        assert.equal(readFileSync(join(folder, brought), "utf8"), "theirs");
        assert.ok(!existsSync(join(folder, IDENTITY_FILE)));
      }
    });
  }

  it("comes into whatever is there where no first content is made", () => {
    put(".omniai-unfinished");
    put("appendonlydir", "theirs");
    const { status } = sh(claimScript(folder), { VOLUME: "data", IDENTITY: "mine" }, "claim");
    assert.equal(status, 0);
    assert.deepEqual(readdirSync(folder).sort(), [IDENTITY_FILE, "appendonlydir"]);
  });

  it("never begins data anew once the volume was claimed", () => {
    const { status, stderr } = run("check");
    assert.equal(status, 1);
    assert.match(stderr, /Volume data was emptied, or is a new one/);
    assert.deepEqual(readdirSync(folder), []);
    put(IDENTITY_FILE, "mine\n");
    assert.equal(run("check").status, 0);
  });

  it("lets a server start on the right volume only", () => {
    const start = () => {
      const variables = { DATA_FILE: join(folder, IDENTITY_FILE), DATA_IDENTITY: "mine" };
      return sh(GUARD_SCRIPT, variables, "sh", "echo", "two  words", "$HOME");
    };
    assert.deepEqual([start().status, start().stdout], [1, ""]);
    assert.match(start().stderr, /does not have the identity .* \(mine\).*npm run up/);
    put(IDENTITY_FILE, "another\n");
    assert.equal(start().status, 1);
    put(IDENTITY_FILE, "mine\n");
    assert.deepEqual([start().status, start().stdout], [0, "two  words $HOME\n"]);
  });

  it("is looked for at the top of the folder, whatever is below", () => {
    mkdirSync(join(folder, "below"));
    writeFileSync(join(folder, "below", IDENTITY_FILE), "mine\n");
    assert.equal(run("check").status, 1);
  });
});

describe("what hangs on the identity of the data", () => {
  let program: Recording;
  before(async () => {
    program = await record("dev");
  });
  const identity = (workload: string): string => `identity-of-omniai-dev-${workload}-identity`;
  const command = (name: string) => program.named(COMMAND, `omniai-dev-${name}`);

  for (const workload of ["postgres", "redis"]) {
    it(`${workload}: claims its volume before it starts, once, and starts on no other`, () => {
      const server = program.named(CONTAINER, `omniai-dev-${workload}`);
      const claim = command(`${workload}-claim`);
      assert.ok(server.dependsOn.includes(claim.name));
      assert.deepEqual((server.inputs["entrypoints"] as string[]).slice(0, 3), ["sh", "-c", GUARD_SCRIPT]);
      assert.ok((server.inputs["envs"] as string[]).includes(`DATA_IDENTITY=${identity(workload)}`));
      assert.match(String(claim.inputs["create"]), /"\$SCRIPT" claim$/);
      assert.match(String(claim.inputs["update"]), /"\$SCRIPT" check$/);
      assert.equal(claim.inputs["triggers"], undefined, "a trigger would create it again");
      const made = program.named("random:index/randomUuid:RandomUuid", `omniai-dev-${workload}-identity`);
      assert.ok(made.protect, "it stays as long as the volume");
    });
  }

  it("another database is provisioned and migrated", () => {
    for (const name of ["postgres-provision", "backend-migrate"])
      assert.deepEqual(command(name).inputs["triggers"], [identity("postgres")], name);
  });

  it("another volume of the edge is filled with a first release and with the one that serves", () => {
    const volume = program.named("docker:index/volume:Volume", "omniai-dev-edge-releases");
    assert.equal(volume.inputs["name"], undefined, "a name of its own each time");
    const named = "omniai-dev-edge-releases-0a1b2c3";
    const variables = command("edge-releases").inputs["environment"] as Record<string, string>;
    assert.equal(variables["VOLUME"], named);
    assert.deepEqual(command("edge-switch").inputs["triggers"], [named]);
  });

  it("the engine is kept in the state", () => {
    assert.match(String(command("engine").inputs["create"]), /docker info/);
    assert.ok(command("engine").protect, "also while the stack is down");
  });
});
