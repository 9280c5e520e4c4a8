/** Which engine is asked: the same as by the docker CLI. */
import { strict as assert } from "node:assert";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { chosenContext, resolveDockerHost } from "../docker-host.ts";

describe("the engine that is asked", () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "omniai-host-"));
    mkdirSync(join(home, ".docker"));
  });
  afterEach(() => rmSync(home, { recursive: true }));
  const use = (context: string): void =>
    writeFileSync(join(home, ".docker", "config.json"), JSON.stringify({ currentContext: context }));

  /** A docker CLI that knows one context. */
  function cli(script: string): string {
    const folder = join(home, "bin");
    mkdirSync(folder);
    writeFileSync(join(folder, "docker"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, "docker"), 0o755);
    return folder + delimiter + (process.env["PATH"] ?? "");
  }

  it("is the one of DOCKER_HOST before any other", async () => {
    use("other");
    assert.equal(
      await resolveDockerHost({ HOME: home, DOCKER_HOST: "tcp://10.0.0.1:2375" }),
      "tcp://10.0.0.1:2375",
    );
  });

  it("is the one of the current context, as the CLI knows it", async () => {
    use("other");
    const PATH = cli('[ "$1 $2" = "context inspect" ] && echo unix:///home/me/.docker/docker.sock');
    assert.equal(await resolveDockerHost({ HOME: home, PATH }), "unix:///home/me/.docker/docker.sock");
  });

  it("is at the local socket without a context, and with one that does not exist", async () => {
    assert.equal(await resolveDockerHost({ HOME: home, DOCKER_HOST: "" }), "unix:///var/run/docker.sock");
    use("gone");
    assert.equal(await resolveDockerHost({ HOME: home, PATH: cli("exit 1") }), "unix:///var/run/docker.sock");
  });

  it("is looked up in the context that was chosen", () => {
    assert.equal(chosenContext({ HOME: home }), undefined);
    use("default");
    assert.equal(chosenContext({ HOME: home }), undefined);
    use("other");
    assert.equal(chosenContext({ HOME: home }), "other");
    assert.equal(chosenContext({ HOME: home, DOCKER_CONTEXT: "third" }), "third");
    assert.equal(chosenContext({ HOME: home, DOCKER_CONTEXT: "default" }), undefined);
    writeFileSync(join(home, ".docker", "config.json"), "{broken");
    assert.equal(chosenContext({ HOME: home }), undefined);
  });
});
