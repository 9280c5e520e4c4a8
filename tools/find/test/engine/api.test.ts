/** The engine that is asked is the one that was named. */
import { strict as assert } from "node:assert";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { close, fakeEngine } from "../../../host/test/support/engine.ts";
import { withFolder } from "../../../host/test/support/folder.ts";
import { askEngine, engineDataRoot } from "../../engine/api.ts";

describe("engine: asking it", () => {
  const before = process.env["DOCKER_HOST"];
  afterEach(() => {
    if (before === undefined) delete process.env["DOCKER_HOST"];
    else process.env["DOCKER_HOST"] = before;
  });

  const answers = (path: string) =>
    path === "/version"
      ? { status: 200, body: { Version: "27.5.1", ApiVersion: "1.47", Os: "linux" } }
      : path === "/info"
        ? { status: 200, body: { DockerRootDir: "/data" } }
        : { status: 404, body: { message: "no" } };

  it("uses the socket that it was given, whatever DOCKER_HOST says", () =>
    withFolder(async (folder) => {
      const socket = join(folder, "docker.sock");
      const server = await fakeEngine(socket, answers);
      try {
        for (const other of ["tcp://127.0.0.1:1", "ssh://nobody@127.0.0.1:1"]) {
          process.env["DOCKER_HOST"] = other;
          const engine = { version: "27.5.1", api: "1.47", os: "linux" };
          assert.deepEqual(await askEngine(`unix://${socket}`, process.env), { reached: true, engine });
          assert.equal(await engineDataRoot(`unix://${socket}`, process.env), "/data");
        }
      } finally {
        await close(server);
      }
    }));

  it("uses a TCP address", async () => {
    const server: Server = createServer((request, response) => {
      response.end(JSON.stringify(answers(request.url ?? "").body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      assert.equal((await askEngine(`tcp://127.0.0.1:${port}`, {})).reached, true);
    } finally {
      await close(server);
    }
    const gone = await askEngine(`tcp://127.0.0.1:${port}`, {});
    assert.ok(!gone.reached && gone.why === "absent", JSON.stringify(gone));
  });

  it("names what is wrong with DOCKER_HOST's companions, which the client reads by itself", async () => {
    const certificates = process.env["DOCKER_CERT_PATH"];
    process.env["DOCKER_HOST"] = "tcp://127.0.0.1:1";
    process.env["DOCKER_CERT_PATH"] = "/there/are/none";
    try {
      const answer = await askEngine("tcp://127.0.0.1:1", process.env);
      assert.ok(!answer.reached && answer.detail.includes("/there/are/none/ca.pem"), JSON.stringify(answer));
    } finally {
      if (certificates === undefined) delete process.env["DOCKER_CERT_PATH"];
      else process.env["DOCKER_CERT_PATH"] = certificates;
    }
  });

  it("treats a refusal and nonsense as no answer, and says why", () =>
    withFolder(async (folder) => {
      for (const [name, status, body, why] of [
        ["a", 500, { message: "out of order" }, "refused"],
        ["b", 200, "nonsense", "refused"],
        ["c", 200, { Version: 3 }, "refused"],
      ] as const) {
        const socket = join(folder, name);
        const server = await fakeEngine(socket, () => ({ status, body }));
        try {
          const answer = await askEngine(`unix://${socket}`, {});
          assert.ok(!answer.reached && answer.why === why, JSON.stringify(answer));
        } finally {
          await close(server);
        }
      }
    }));
});
