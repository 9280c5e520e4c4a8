/** What is looked at before a deploy, on the real engine. */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import Docker from "dockerode";
import { freePort } from "../../../tools/host/free-port.ts";
import { checkMachine } from "../../stack/deploy.ts";
import type { KnownConfig } from "../../stack/settings.ts";

describe("the machine before a deploy @engine", () => {
  it("has the ports of what is deployed free, which may be a version with other ports than the stack's file", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const { port: taken } = server.address() as AddressInfo;
      const own: KnownConfig = { publishPorts: "always", httpPort: await freePort(), postgresImage: "" };
      const session = {
        docker: new Docker(),
        stack: `test-ports-${randomBytes(4).toString("hex")}`,
        settings: { project: "omniai", stackFile: undefined, config: own, problems: [], hasLoginKey: false },
        engineIsLocal: true,
      };
      await checkMachine(session);
      await assert.rejects(
        checkMachine(session, { ...own, httpPort: taken }),
        new RegExp(
          `Port ${taken} on 127\\.0\\.0\\.1 \\(omniai:httpPort\\) is taken by process ${process.pid}`,
        ),
      );
      // The other way round: the version gives up the port that somebody has taken since.
      await checkMachine(
        { ...session, settings: { ...session.settings, config: { ...own, httpPort: taken } } },
        own,
      );
    } finally {
      server.close();
    }
  });
});
