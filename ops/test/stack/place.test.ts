/** The one way that a command has to its engine, on the real one. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEngine, type Place } from "../../stack/place.ts";

const REAL = (process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock").replace("unix://", "");

describe("the way to an engine @engine", () => {
  let folder: string;
  let server: Server | undefined;
  before(() => (folder = mkdtempSync(join(tmpdir(), "omniai-place-"))));
  after(() => {
    server?.close();
    rmSync(folder, { recursive: true });
  });

  it("is tried anew after the engine did not answer, and kept once it did", async () => {
    const socket = join(folder, "docker.sock");
    const place = {
      stack: "dev",
      settings: { config: { dockerHost: `unix://${socket}` }, hasLoginKey: false },
      context: { env: {} },
    } as unknown as Place;
    const reach = () => connectEngine(place, () => Promise.resolve(undefined));
    await assert.rejects(reach(), /does not answer/);
    // As after its start: the socket is there, and the engine behind it.
    server = createServer((client) => {
      const engine = connect(REAL);
      client.on("error", () => engine.destroy()).pipe(engine);
      engine.on("error", () => client.destroy()).pipe(client);
    });
    await new Promise<void>((resolve) => server?.listen(socket, resolve));
    const engine = await reach();
    assert.equal(await reach(), engine);
  });
});
