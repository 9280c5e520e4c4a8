/** How an engine's address becomes a connection. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Docker from "dockerode";
import { connect, connectionOptions } from "../../engine/connection.ts";
import { OpsError } from "../../terminal/errors.ts";

const FIELDS = ["protocol", "host", "port", "socketPath", "key", "cert", "ca"] as const;
type Connection = Partial<Record<(typeof FIELDS)[number], unknown>>;

const fieldsOf = (docker: Docker): Connection => {
  const modem = docker.modem as Connection;
  return JSON.parse(
    JSON.stringify(Object.fromEntries(FIELDS.map((name) => [name, modem[name]]))),
  ) as Connection;
};

/** What the client itself makes of DOCKER_HOST, in a process of its own. */
function clientsOwn(env: Record<string, string>): Connection {
  const code = `
    import Docker from ${JSON.stringify(import.meta.resolve("dockerode"))};
    const { modem } = new Docker();
    console.log(JSON.stringify(Object.fromEntries(${JSON.stringify(FIELDS)}.map((name) => [name, modem[name]]))));`;
  const PATH = process.env["PATH"] ?? "";
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", code], {
      encoding: "utf8",
      env: { PATH, ...env },
    }),
  ) as Connection;
}

describe("the connection to an engine", () => {
  const folder = mkdtempSync(join(tmpdir(), "omniai-connection-"));
  const pem = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
  for (const name of ["ca.pem", "cert.pem", "key.pem"]) writeFileSync(join(folder, name), pem);
  after(() => rmSync(folder, { recursive: true }));

  const cases: [string, Record<string, string>][] = [
    ["unix:///run/somewhere.sock", {}],
    ["tcp://host.example:2375", {}],
    ["tcp://host.example:2376", {}],
    ["tcp://host.example:9000", { DOCKER_TLS_VERIFY: "1" }],
    ["host.example:2375", {}],
  ];
  for (const [address, env] of cases) {
    it(`to ${address} is the one that the client makes of DOCKER_HOST`, () => {
      const own = clientsOwn({ DOCKER_HOST: address, ...env });
      assert.deepEqual(fieldsOf(connect(address, env)), own);
    });
  }

  it("has the certificates of DOCKER_CERT_PATH", () => {
    const { ca, cert, key } = connectionOptions("tcp://host.example:2376", { DOCKER_CERT_PATH: folder });
    assert.deepEqual([ca, cert, key].map(String), [pem, pem, pem]);
  });

  it("is to the given address, whatever DOCKER_HOST of this process says", () => {
    const before = process.env["DOCKER_HOST"];
    process.env["DOCKER_HOST"] = "tcp://elsewhere.example:2375";
    try {
      assert.deepEqual(
        [
          fieldsOf(connect("unix:///run/here.sock")).host,
          fieldsOf(connect("unix:///run/here.sock")).socketPath,
        ],
        [undefined, "/run/here.sock"],
      );
      assert.equal(fieldsOf(connect("tcp://host.example:2375")).host, "host.example");
      assert.equal(process.env["DOCKER_HOST"], "tcp://elsewhere.example:2375", "and leaves it as it is");
    } finally {
      if (before === undefined) delete process.env["DOCKER_HOST"];
      else process.env["DOCKER_HOST"] = before;
    }
  });

  it("refuses what is no address, and what only a tunnel reaches", () => {
    assert.throws(() => connectionOptions("tcp://:::", {}), OpsError);
    assert.throws(() => connectionOptions("ssh://deploy@host.example", {}), /tunnel/);
  });
});
