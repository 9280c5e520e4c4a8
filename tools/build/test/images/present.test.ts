/** Stand-ins of two checkouts on one engine. */
import { strict as assert } from "node:assert";
import { tmpdir } from "node:os";
import { dockerAt } from "../../../host/docker-cli.ts";
import { run } from "../../../host/run.ts";
import { testContext } from "../../../host/test/support/engine.ts";
import { tagCovers } from "../../images/names.ts";
import { keptName, LABEL, LABEL_VERSION, lookUp, takeKept } from "../../images/present.ts";

describe("images: two checkouts on one engine @engine", function () {
  this.timeout(60_000);
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  const hash = `test${process.pid}`;
  const kept = keptName("omniai-test", hash);
  const name = `omniai-test-standin:${process.pid}`;

  afterEach(async () => {
    for (const image of [kept, name]) await run("docker", ["image", "rm", image]);
  });

  it("each take their own stand-in, and none with a version that the tag does not include", async () => {
    const empty = `FROM scratch\nLABEL ${LABEL}=${hash} ${LABEL_VERSION}=8.0.2\nCMD ["none"]\n`;
    const made = await run("docker", ["build", "--tag", kept, "-"], {
      input: empty,
      env: { ...process.env, DOCKER_BUILDKIT: "0" },
    });
    assert.equal(made.code, 0, made.tail.join("\n"));
    const docker = await dockerAt(testContext(tmpdir()), host);
    const take = (recipe: string, tag: string): Promise<boolean> =>
      takeKept(docker, "omniai-test", recipe, name, (version) => tagCovers(tag, version));
    assert.equal(await take("another", "8"), false);
    assert.equal(await take(hash, "8.2"), false);
    assert.equal(await lookUp(docker, name), undefined);
    assert.equal(await take(hash, "8"), true);
    assert.equal((await lookUp(docker, name))?.labels[LABEL], hash);
  });
});
