/** What the toolchain says about an engine that it found or did not find. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { close, fakeEngine, testContext } from "../../../host/test/support/engine.ts";
import { enginePart } from "../../engine/index.ts";

describe("engine: what it says to a person", () => {
  let folder: string;
  let server: Server | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-engine-"));
  });
  afterEach(async () => {
    if (server) await close(server);
    server = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  async function serve(version: string, api: string, os = "linux"): Promise<NodeJS.ProcessEnv> {
    const socket = join(folder, "docker.sock");
    server = await fakeEngine(socket, (path) =>
      path === "/version"
        ? { status: 200, body: { Version: version, ApiVersion: api, Os: os } }
        : { status: 404, body: { message: "no" } },
    );
    return { ...process.env, DOCKER_HOST: `unix://${socket}` };
  }

  it("uses an engine that answers, as it is", async () => {
    const env = await serve("27.5.1", "1.47");
    const status = await enginePart.ensure(testContext(folder, env));
    assert.deepEqual(status, {
      name: "docker",
      version: "27.5.1",
      way: "path",
      location: env["DOCKER_HOST"],
    });
  });

  it("names both versions when the engine is too old", async () => {
    const context = testContext(folder, await serve("19.03.15", "1.40"));
    await assert.rejects(
      enginePart.ensure(context),
      /19\.03\.15 \(API 1\.40\).*20\.10 \(API 1\.41\)[\s\S]*Update the engine/,
    );
    const status = await enginePart.inspect(context);
    assert.equal(status.version, "19.03.15");
    assert.match(status.remedy ?? "", /Update the engine/);
  });

  it("refuses Windows containers", async () => {
    const context = testContext(folder, await serve("27.5.1", "1.47", "windows"));
    await assert.rejects(enginePart.ensure(context), /windows containers[\s\S]*Linux containers/);
  });

  it("says that an address from DOCKER_HOST does not answer, and starts nothing", async () => {
    const context = testContext(folder, { ...process.env, DOCKER_HOST: `unix://${folder}/none.sock` });
    await assert.rejects(
      enginePart.ensure(context),
      /none\.sock does not answer[\s\S]*DOCKER_HOST or from the current docker context/,
    );
    assert.equal((await enginePart.inspect(context)).way, "missing");
    assert.deepEqual(context.said, []);
  });

  it("says that a silent engine is silent", async () => {
    const socket = join(folder, "docker.sock");
    server = await fakeEngine(socket, () => undefined);
    const context = testContext(folder, { ...process.env, DOCKER_HOST: `unix://${socket}` });
    await assert.rejects(enginePart.ensure(context), /no answer within 5 s/);
  });
});
