/** What `npm run doctor` sees of servers that others run, against listeners with certificates of the test's own. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createSecureContext, createServer as createTlsServer, TLSSocket } from "node:tls";
import { createCertificate, type CertificatePair } from "../../../../infra/components/edge/certificate.ts";
import { inspectExternal, inspectServer } from "../../../commands/doctor/external.ts";
import type { ExternalServer } from "../../../stack/external.ts";

const ofPostgres: ExternalServer = { workload: "postgres", title: "PostgreSQL", key: "database" };
const ofRedis: ExternalServer = { workload: "redis", title: "Redis", key: "redis" };

describe("doctor, of servers that others run", () => {
  const servers: Server[] = [];
  let pair: CertificatePair;
  let other: CertificatePair;
  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    server.on("error", () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };
  const withTls = ({ certificate: cert, key }: CertificatePair): Promise<number> =>
    listen(createTlsServer({ cert, key }, (socket) => socket.on("error", () => undefined)));
  /** PostgreSQL's first bytes: it is asked for TLS, and answers by one letter. */
  const asPostgres = (letter: "S" | "N"): Promise<number> =>
    listen(
      createServer((socket: Socket) => {
        socket.on("error", () => undefined);
        socket.once("data", (request) => {
          assert.equal(request.toString("hex"), "0000000804d2162f");
          socket.write(letter);
          if (letter === "N") return;
          const secureContext = createSecureContext({ cert: pair.certificate, key: pair.key });
          new TLSSocket(socket, { isServer: true, secureContext }).on("error", () => undefined);
        });
      }),
    );

  before(async () => {
    [pair, other] = await Promise.all([createCertificate(["localhost"]), createCertificate(["localhost"])]);
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  it("are fine where the certificate is the right one, and it says for how long and what is not seen", async () => {
    const ways: readonly (readonly [ExternalServer, number])[] = [
      [ofPostgres, await asPostgres("S")],
      [ofRedis, await withTls(pair)],
    ];
    for (const [server, port] of ways) {
      const found = await inspectServer(server, { host: "localhost", port, authority: pair.certificate });
      assert.equal(found.good, true, found.detail);
      assert.match(
        found.detail,
        /certificate is the right one for 39\d more days; its backups and its load are not seen/,
      );
    }
  });

  it("are said to be dumped where the stack does that, and by which command that is seen", async () => {
    const port = await asPostgres("S");
    const config = {
      ...({ database: "external", databaseAuthority: pair.certificate } as const),
      offsiteBucket: "https://s3.example.org/copies",
    };
    const [found] = await inspectExternal(config, () =>
      Promise.resolve(`postgres://tenant:canary@localhost:${port}/shop`),
    );
    assert.match(
      found?.detail ?? "",
      /provider's backups .* not seen .*dumps of it tells npm run backup -- list/,
    );
  });

  it("are not where nobody trusted has signed it, or it is for another name", async () => {
    const port = await withTls(pair);
    for (const [host, authority, said] of [
      ["localhost", other.certificate, /self-signed|unable to verify/],
      ["localhost", "", /self-signed|unable to verify/],
      ["127.0.0.1", pair.certificate, /does not match certificate's altnames/],
    ] as const) {
      const found = await inspectServer(ofRedis, { host, port, authority });
      assert.equal(found.good, false, found.detail);
      assert.match(found.detail, said);
      assert.match(found.remedy ?? "", /omniai:redisAuthority/);
    }
  });

  it("are not where PostgreSQL has no TLS", async () => {
    const endpoint = { host: "localhost", port: await asPostgres("N"), authority: "" };
    assert.match((await inspectServer(ofPostgres, endpoint)).detail, /has no TLS/);
  });

  it("are left to the replicas where they do not answer this machine", async () => {
    const port = await listen(createServer());
    servers.pop()?.close();
    const found = await inspectServer(ofRedis, { host: "127.0.0.1", port, authority: "" });
    assert.equal(found.good, true);
    assert.match(found.detail, /does not answer this machine \(.*ECONNREFUSED.*npm run health/);
  });

  it("are read from the stack's secrets, and nothing is said of a stack's own", async () => {
    const port = await withTls(pair);
    const config = { redis: "external", redisAuthority: pair.certificate } as const;
    const found = await inspectExternal(config, (key) =>
      Promise.resolve(key === "redisSecretUrl" ? `rediss://:canary@localhost:${port}` : undefined),
    );
    assert.deepEqual(
      found.map(({ name, good }) => [name, good]),
      [["external Redis", true]],
    );
    assert.doesNotMatch(JSON.stringify(found), /canary/);
    const [unread] = await inspectExternal(config, () => Promise.resolve(undefined));
    assert.equal(unread?.good, false);
    assert.match(unread?.detail ?? "", /omniai:redisSecretUrl cannot be decrypted/);
    assert.deepEqual(await inspectExternal({}, () => assert.fail("read a secret")), []);
  });
});
