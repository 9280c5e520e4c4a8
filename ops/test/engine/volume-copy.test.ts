/** The copy of a volume: what the engine frames, and on the real engine what arrives at the other end. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import Docker from "dockerode";
import {
  copyVolume,
  tryComparison,
  fence,
  finishVolume,
  framesOf,
  identify,
  unfence,
  type End,
} from "../../engine/volume-copy.ts";
import { ROOT } from "../../stack/place.ts";
import { readSettings } from "../../stack/settings.ts";

describe("what a container writes", () => {
  const frame = (stream: number, text: string): Buffer => {
    const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(text.length, 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };

  it("is told apart by stream, wherever the connection has cut it", async () => {
    const whole = Buffer.concat([frame(1, "out"), frame(2, "complaint"), frame(1, ""), frame(1, "more")]);
    for (let size = 1; size <= whole.length; size++) {
      async function* pieces(): AsyncGenerator<Buffer> {
        for (let at = 0; at < whole.length; at += size)
          yield await Promise.resolve(whole.subarray(at, at + size));
      }
      const said = { out: "", complaint: "" };
      for await (const { error, data } of framesOf(pieces()))
        said[error ? "complaint" : "out"] += data.toString("utf8");
      assert.deepEqual(said, { out: "outmore", complaint: "complaint" }, `pieces of ${size}`);
    }
  });
});

describe("a volume that goes to another engine @engine", function () {
  this.timeout(240_000);
  const name = `test-copy-${randomBytes(4).toString("hex")}`;
  const image = readSettings(ROOT, "dev").config.postgresImage ?? "";
  const docker = new Docker();
  /** The same engine, on which the volume has another name: as another engine would have its own of the same name. */
  function renamed(name: string): Docker {
    const elsewhere = new Docker();
    const create = elsewhere.createContainer.bind(elsewhere);
    elsewhere.createContainer = ((options: Docker.ContainerCreateOptions) =>
      create({
        ...options,
        HostConfig: {
          ...options.HostConfig,
          Binds: options.HostConfig?.Binds?.map((bind) => bind.replace(/^[^:]*/, name)) ?? [],
        },
      })) as typeof elsewhere.createContainer;
    return elsewhere;
  }
  const other = `${name}-there`;
  const elsewhere = renamed(other);
  const from: End = { docker, name: "here", image };
  const to: End = { docker: elsewhere, name: "there", image };
  const inside = (volume: string, script: string): string =>
    execFileSync(
      "docker",
      ["run", "--rm", "--entrypoint", "sh", "-v", `${volume}:/volume`, "-w", "/volume", image, "-c", script],
      { encoding: "utf8" },
    ).trim();

  before(() => {
    for (const volume of [name, other]) execFileSync("docker", ["volume", "create", volume]);
    inside(
      name,
      "echo id > .omniai-identity; mkdir -p a/b; echo x > 'a/b/with a\nbreak'; ln -s b a/link; echo old > a/changed; echo y > a/gone; head -c 5000000 /dev/urandom > a/large; chown -R 999:999 .; chmod 700 a",
    );
  });
  after(() => {
    for (const volume of [name, other]) execFileSync("docker", ["volume", "rm", volume]);
  });

  it("arrives with owners and modes, and is the same only when all that has changed came after", async () => {
    const first = await copyVolume(from, to, name);
    assert.ok(first.bytes > 5e6);
    assert.equal(inside(other, "ls -A"), "a", "without an identity nobody takes it for data");
    inside(name, "rm a/gone; echo new > a/changed; echo z > a/b/added");
    // Both differ by now, as they do while servers write: how long it takes is all that is asked.
    for (const contents of [true, false]) await tryComparison(from, to, name, contents);
    await finishVolume(from, to, name, { since: first.began, contents: true });
    assert.equal(
      inside(other, "stat -c '%U %a' a; readlink a/link; cat a/changed a/b/added 'a/b/with a\nbreak'; ls a"),
      `${inside(name, "stat -c '%U %a' a")}\nb\nnew\nz\nx\nb\nchanged\nlarge\nlink`,
    );
  });

  it("arrives where folders have other names since, and files of the same name have changed places", async () => {
    inside(
      name,
      "mkdir -p r/old/deep r/x r/y; echo 1 > r/old/deep/file; echo 1 > 'r/old/a\nbreak'; echo xx > r/x/f; echo yyy > r/y/f; head -c 3000000 /dev/urandom > r/kept",
    );
    await finishVolume(from, to, name, { since: undefined, contents: true });
    // No file is newer than that, whatever the margin: renames alone do not change one.
    const later = Math.floor(Date.now() / 1000) + 3600;
    inside(
      name,
      "mv r/old r/new; echo > r/new/added; mv r/x r/z; mv r/y r/x; mv r/z r/y; rm -r a/b; echo b > a/b; rm a/link; mkdir a/link",
    );
    const bytes = await finishVolume(from, to, name, { since: later, contents: true });
    assert.equal(
      inside(other, "cat r/new/deep/file 'r/new/a\nbreak' r/x/f r/y/f; ls r"),
      "1\n1\nyyy\nxx\nkept\nnew\nx\ny",
    );
    assert.ok(bytes < 1e6, `${bytes} bytes: what is the same stays where it is`);
    assert.equal(inside(other, "stat -c %F a/b a/link"), "regular file\ndirectory");
    inside(name, "rm -r r");
    await finishVolume(from, to, name, { since: later, contents: true });
  });

  it("is refused where one byte differs, though size and time are the same", async () => {
    inside(
      other,
      "touch -r a/large /tmp/time; printf x | dd of=a/large conv=notrunc bs=1 seek=100 2>/dev/null; touch -r /tmp/time a/large",
    );
    const later = Math.floor(Date.now() / 1000) + 3600;
    await assert.rejects(
      finishVolume(from, to, name, { since: later, contents: true }),
      /is not what it is at/,
    );
    await finishVolume(from, to, name, { since: undefined, contents: true });
  });

  it("says which end was full, in that end's own words", async () => {
    const full = `${name}-full`;
    const small = ["--driver", "local", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m"];
    execFileSync("docker", ["volume", "create", ...small, full]);
    try {
      const there: End = { ...to, docker: renamed(full), name: "full" };
      await assert.rejects(
        copyVolume(from, there, name),
        /at full: exit code 2: tar: .*(Wrote only|No space left)/,
      );
    } finally {
      execFileSync("docker", ["volume", "rm", full]);
    }
  });

  it("becomes nobody's data where it is gone", async () => {
    const gone = `${name}-gone`;
    await assert.rejects(identify(to, gone, "id\n"), /is not at there any more/);
    const volumes = execFileSync("docker", ["volume", "ls", "-q"], { encoding: "utf8" });
    assert.doesNotMatch(volumes, new RegExp(gone));
  });

  it("has its identity in one place only", async () => {
    const identity = await fence(from, name);
    assert.equal(identity, "id\n");
    assert.equal(inside(name, "ls .omniai-identity 2>/dev/null || true"), "");
    assert.equal(await fence(from, name), identity, "it can be asked again");
    await identify(to, name, identity);
    assert.equal(inside(other, "cat .omniai-identity; stat -c %u .omniai-identity"), "id\n999");
    await unfence(from, name);
    assert.equal(inside(name, "cat .omniai-identity"), "id");
  });
});
