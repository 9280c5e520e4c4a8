/** An upgrade of PostgreSQL: where it leads, what it needs, and what it writes into the stack's file. */
import { strict as assert } from "node:assert";
import { dataFolderOf, majorOf } from "../../../infra/components/database/version.ts";
import { stageOf, type Found } from "../../commands/upgrade/broken-off.ts";
import { ownVariables } from "../../commands/upgrade/room.ts";
import { parseDisk } from "../../commands/upgrade/server.ts";
import { nameInFile, withImage } from "../../commands/upgrade/stack-image.ts";
import { imageFor, spaceProblem } from "../../commands/upgrade/target.ts";
import { refuseOtherMajor } from "../../stack/postgres-version.ts";

const DIGEST = `sha256:${"0f".repeat(32)}`;

describe("the major version of an image", () => {
  it("is the number that its tag begins with", () => {
    for (const [image, major] of [
      ["postgres:17-trixie", 17],
      ["postgres:18", 18],
      ["mirror.example.org:5000/library/postgres:18.1-bookworm", 18],
      [`postgres:17.6-trixie@${DIGEST}`, 17],
      ["mirror.example.org:5000/postgres", undefined],
      ["postgres:latest", undefined],
      [`mirror.example.org/postgres@${DIGEST}`, undefined],
    ] as const)
      assert.equal(majorOf(image), major, image);
  });

  it("says where the official image has its volume", () => {
    assert.equal(dataFolderOf("postgres:17-trixie"), "/var/lib/postgresql/data");
    assert.equal(dataFolderOf("postgres:18-trixie"), "/var/lib/postgresql");
    assert.equal(dataFolderOf(`postgres@${DIGEST}`), "/var/lib/postgresql/data");
  });
});

describe("the image of an upgrade", () => {
  it("is today's with the other number", () => {
    assert.equal(imageFor(18, "postgres:17-trixie"), "postgres:18-trixie");
    assert.equal(imageFor(18, "postgres:17"), "postgres:18");
    assert.equal(
      imageFor(18, "mirror.example.org:5000/pg:17.6-trixie"),
      "mirror.example.org:5000/pg:18-trixie",
    );
  });

  it("has to be named where today's is pinned by digest, or has no number", () => {
    for (const today of [
      `postgres:17-trixie@${DIGEST}`,
      "postgres:latest",
      "mirror.example.org:5000/postgres",
    ])
      assert.throws(() => imageFor(18, today), /cannot be told/, today);
    assert.equal(imageFor(18, "postgres:latest", `postgres:18@${DIGEST}`), `postgres:18@${DIGEST}`);
    assert.throws(() => imageFor(18, "postgres:17", "postgres:19"), /PostgreSQL 19, and 18 was asked for/);
    for (const named of ["postgres:latest", `mirror.example.org/postgres@${DIGEST}`])
      assert.throws(() => imageFor(18, "postgres:17", named), /does not say in its name/, named);
  });
});

describe("the space for an upgrade", () => {
  const MIB = 1024 * 1024;
  const disk = (name: string, free: number) => ({ name, free: free * MIB });

  it("is four times the data on one disk, and twice on each of two", () => {
    assert.equal(spaceProblem(100 * MIB, disk("a", 464), disk("a", 464)), undefined);
    assert.match(
      spaceProblem(100 * MIB, disk("a", 463), disk("a", 463)) ?? "",
      /disk a has 463.* may need 464/,
    );
    assert.equal(spaceProblem(100 * MIB, disk("a", 264), disk("b", 264)), undefined);
    assert.match(spaceProblem(100 * MIB, disk("a", 264), disk("b", 263)) ?? "", /disk b has 263/);
    assert.match(spaceProblem(100 * MIB, disk("a", 263), disk("b", 264)) ?? "", /disk a has 263/);
  });

  it("is not proved by what cannot be read", () => {
    for (const [size, data, backup] of [
      [Number.NaN, disk("a", 1e6), disk("b", 1e6)],
      [0, disk("a", 1e6), disk("b", 1e6)],
      [MIB, disk("a", Number.NaN), disk("b", 1e6)],
      [MIB, disk("a", 1e6), { name: "b", free: Number.NaN }],
    ] as const)
      assert.match(spaceProblem(size, data, backup) ?? "", /cannot be read/);
  });

  it("is read from df, in which a disk of the same name and another size is another", () => {
    const line = "overlay            264000000 32000000  64000000      34% /";
    assert.equal(parseDisk(line).free, 64000000 * 1024);
    assert.notEqual(parseDisk("tmpfs 1024 0 1024 0% /a").name, parseDisk("tmpfs 2048 0 2048 0% /b").name);
  });
});

describe("the stack's file after an upgrade", () => {
  it("names the image, and keeps its comments, its order and its secrets", () => {
    const text = `# The stack of the shop.
encryptionsalt: v1:abc
config:
  omniai:backendReplicas: 3 # one a core
  omniai:offsiteKey:
    secure: v1:${"x".repeat(120)}
`;
    const changed = withImage(text, "omniai", "postgres:18-trixie");
    assert.equal(changed, `${text}  omniai:postgresImage: postgres:18-trixie\n`);
    assert.equal(withImage(changed, "omniai", "postgres:17"), changed.replace("18-trixie", "17"));
  });

  it("names the image as Docker Hub does, also where it comes from a mirror", () => {
    const registryMirror = "mirror.example.org/hub";
    const image = "mirror.example.org/hub/library/postgres:18-trixie";
    assert.equal(nameInFile(image, { registryMirror }), "postgres:18-trixie");
    assert.equal(nameInFile(image, {}), image);
  });

  it("is made where there is none, and a key without the project's name stays the only one", () => {
    assert.equal(withImage("", "omniai", "postgres:18"), "config:\n  omniai:postgresImage: postgres:18\n");
    const short = "config:\n  postgresImage: postgres:17\n";
    assert.equal(withImage(short, "omniai", "postgres:18"), short.replace("17", "18"));
  });
});

describe("a deploy", () => {
  it("is refused where PostgreSQL would not start on the data, and says what to do", () => {
    assert.doesNotThrow(() => refuseOtherMajor("dev", "postgres:17-trixie", 17));
    assert.doesNotThrow(() => refuseOtherMajor("dev", "postgres:17-trixie", undefined));
    assert.doesNotThrow(() => refuseOtherMajor("dev", `postgres@${DIGEST}`, 17));
    assert.throws(
      () => refuseOtherMajor("dev", "postgres:18-trixie", 17),
      (error: { message: string; remedy: string }) =>
        /data .* is of PostgreSQL 17/.test(error.message) &&
        /npm run upgrade -- postgres 18/.test(error.remedy),
    );
    assert.throws(
      () => refuseOtherMajor("dev", "postgres:17-trixie", 18),
      (error: { remedy: string }) => /broken off.*npm run upgrade -- postgres 18/.test(error.remedy),
    );
  });
});

describe("the room of the new version", () => {
  it("has what it reaches PostgreSQL with, and nothing of the bucket or of Redis", () => {
    const of = ["PGHOST=postgres", "PGUSER=omniai_backup", "OMNIAI_STACK=dev", "OMNIAI_TIME_ZONE=UTC"];
    const others = ["PGDATA=/x", "OMNIAI_OFFSITE_REPOSITORY=s3:x", "OMNIAI_REDIS_HOST=redis", "DATA_FILE=/x"];
    assert.deepEqual(ownVariables([...of, ...others]), of);
  });
});

describe("an upgrade that was broken off", () => {
  const stage = (found: Partial<Found>) =>
    stageOf({ exchange: "none", major: 17, aside: undefined, config: 17, ...found }, 18);

  it("is where the data in the volume and the config say", () => {
    assert.equal(stage({}), "not begun");
    // Also where the version is among the part of the new data that is there already.
    for (const major of [undefined, 17, 18]) assert.equal(stage({ major, exchange: "half" }), "half");
    assert.equal(stage({ major: 18, exchange: "complete", aside: 17 }), "exchanged");
    assert.equal(stage({ major: 18, exchange: "complete", aside: 17, config: 18 }), "exchanged");
    assert.equal(stage({ major: 18 }), "deployed");
  });

  it("is none where the stack has that version, or a restore has left its old data beside", () => {
    assert.equal(stage({ major: 18, config: 18 }), "over");
    assert.equal(stage({ major: 18, config: undefined }), "over");
    assert.equal(stage({ major: 18, config: 18, exchange: "complete", aside: 18 }), "over");
    assert.equal(stage({ exchange: "complete", aside: 17 }), "not begun");
  });
});
