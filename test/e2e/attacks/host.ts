/** Attacks that go around the edge, secrets that the stack might leak, and the quality of its TLS. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { connect as tlsConnect, type ConnectionOptions, getCiphers, type TLSSocket } from "node:tls";
import { call } from "../../support/http.ts";
import { docker } from "../../support/stack.ts";
import { exec, script, type Target } from "./target.ts";

const canConnect = (port: number, host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 1000 }, () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false)).on("timeout", () => (socket.destroy(), resolve(false)));
  });

export function directAccess(get: () => Target): void {
  it("only the edge has a port on the host, and only on the loopback", async () => {
    const { stack } = get();
    const published: string[] = [];
    for (const name of await stack.containers()) {
      const { NetworkSettings } = await docker.getContainer(name).inspect();
      for (const bindings of Object.values(NetworkSettings.Ports)) {
        for (const { HostIp, HostPort } of bindings ?? []) published.push(`${name} ${HostIp}:${HostPort}`);
      }
    }
    assert.deepEqual(
      published.sort(),
      [`${get().edge} 127.0.0.1:${stack.httpPort}`, `${get().edge} 127.0.0.1:${stack.httpsPort}`].sort(),
    );
  });

  it("no other address of the host answers on them", async () => {
    const { stack } = get();
    const addresses = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith("fe80"))
      .map(({ address }) => address);
    assert.ok(addresses.length > 0);
    for (const address of [...addresses, "127.0.0.2", "::1"]) {
      for (const port of [stack.httpPort, stack.httpsPort])
        assert.equal(await canConnect(port, address), false, `${address} answers on ${port}`);
    }
  });

  it("a container on the edge's public network reaches the edge, and nothing behind it", async () => {
    const client = await get().client();
    try {
      const addresses: string[] = [];
      for (const name of await get().stack.containers()) {
        const { NetworkSettings, Config } = await docker.getContainer(name).inspect();
        if (Config.Labels["io.omniai.workload"] === "edge") continue;
        addresses.push(...Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress));
      }
      assert.ok(addresses.length >= 4);
      const reached = await script<Record<string, boolean>>(
        client,
        `import { connect } from "node:net";
         const reach = (host, port) => new Promise((resolve) => {
           const socket = connect({ host, port, timeout: 5000 }, () => { socket.destroy(); resolve(true); });
           socket.on("error", () => resolve(false)).on("timeout", () => { socket.destroy(); resolve(false); });
         });
         const hosts = ["backend", "postgres", "redis", ...${JSON.stringify(addresses)}];
         const all = hosts.flatMap((host) => [8000, 9000, 5432, 6379].map((port) => [host, port]));
         const found = await Promise.all(all.map(async ([host, port]) => [host + ":" + port, await reach(host, port)]));
         console.log(JSON.stringify({ ...Object.fromEntries(found), edge: await reach("edge", 8080),
           counters: await reach("edge", 8081) }));`,
      );
      const open = Object.entries(reached).filter(([, isOpen]) => isOpen);
      assert.deepEqual(open, [["edge", true]]);
    } finally {
      await get().dismiss(client);
    }
  });
}

export function packages(get: () => Target): void {
  it("a replica has no package manager that would bring the tools of whoever broke in", async () => {
    const found = await exec(
      get().backends[0] ?? "",
      "sh",
      "-c",
      "command -v npm npx yarn corepack pnpm; find / -xdev -name npm-cli.js -not -path '/proc/*' 2>/dev/null; true",
    );
    assert.equal(found.trim(), "");
  });
}

export function secrets(get: () => Target): void {
  let canaries: readonly string[];
  const absent = (text: string, place: string): void => {
    canaries.forEach((canary, n) => assert.ok(!text.includes(canary), `secret ${n} is in ${place}`));
  };

  before(async () => {
    const target = get();
    const backend = target.backends[0] ?? "";
    const login = await target.login();
    const tokens = await target.tokens();
    const made = await call(`${target.stack.https}/api/auth/tokens`, {
      method: "POST",
      body: { name: "canary", scopes: ["events:read"], days: 1 },
      headers: login.headers,
    });
    assert.equal(made.status, 201, made.text);
    const { token } = JSON.parse(made.text) as { token: string };
    const files = ["postgres-password", "redis-password", "auth-secret"];
    const kept = await Promise.all(files.map((file) => exec(backend, "cat", `/run/secrets/${file}`)));
    canaries = [...target.canaries, token, ...kept.map((text) => text.trim())];
    assert.ok(
      canaries.every((canary) => canary.length >= 20),
      "each is long enough to be found",
    );
    // Valid and invalid secrets go into every part of a request, because a mistake there could reveal them.
    const headers = {
      authorization: `Bearer ${token}`,
      cookie: login.cookie,
      "x-csrf-token": login.csrfToken,
    };
    for (const path of ["/api/diag", "/api/events/poll", "/api/nothing", `/api/auth/tokens?id=${token}`])
      await target.ask(path, { headers });
    await target.ask("/api/events", { method: "POST", body: { type: token, data: 1 }, headers });
    await target.ask("/api/auth/refresh", {
      method: "POST",
      body: { refreshToken: tokens.refreshToken, more: 1 },
    });
    await target.ask(`/api/events/poll?after=x&ticket=${tokens.accessToken}`);
    await target.ask("/api/auth/login", {
      method: "POST",
      body: `{"username":"ada","password":"${target.user.password}"`,
    });
  });

  it("are in no answer to any of these attacks", () => {
    assert.ok(get().answers.length > 300, `${get().answers.length} answers`);
    absent(get().answers.join("\n"), "an answer");
    for (const text of get().answers) assert.doesNotMatch(text, /node:internal|service\/dist|at \w+ \(/);
  });

  it("are in no log", async () => absent(await get().logs(), "a log"));

  it("are neither in the database's data nor in its record of queries", async () => {
    const [postgres = ""] = await get().stack.containers("postgres");
    const dump = await exec(postgres, "pg_dump", "-U", "postgres", "--data-only", "omniai");
    assert.match(dump, /COPY public\.users/);
    absent(dump, "the database");
    const statements = "SELECT string_agg(query, ' ') FROM pg_stat_statements";
    absent(
      await exec(postgres, "psql", "-XAt", "-U", "postgres", "-d", "omniai", "-c", statements),
      "pg_stat_statements",
    );
  });

  it("are in no process's environment or command line, nor in what the engine reports", async () => {
    for (const name of await get().stack.containers()) {
      const info = await docker.getContainer(name).inspect();
      absent(JSON.stringify(info), `inspect of ${name}`);
      const read =
        "for f in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do tr '\\0' '\\n' < $f; done 2>/dev/null";
      const seen = await exec(name, "sh", "-c", `${read}; true`);
      assert.match(seen, /PATH=/);
      absent(seen, `a process of ${name}`);
      absent(execFileSync("docker", ["history", "--no-trunc", info.Image], { encoding: "utf8" }), "an image");
    }
  });

  it("are neither in the program's state nor in the stack's config", () => {
    const { checkout, name } = get().stack;
    const state = join(checkout, ".state");
    const files = readdirSync(state, { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    );
    assert.ok(files.some((file) => file.name === `${name}.json`));
    for (const file of files) absent(readFileSync(join(file.parentPath, file.name), "utf8"), file.name);
    absent(readFileSync(join(checkout, `Pulumi.${name}.yaml`), "utf8"), "the stack's config");
  });
}

/**
 * Checks with Node's own client what testssl.sh requires for an A+: protocols (nothing below 1.2), key exchange and
 * ciphers (nothing without forward secrecy and AEAD), the certificate, and HSTS. testssl.sh itself is in no registry.
 */
export function transport(get: () => Target): void {
  const handshake = (options: ConnectionOptions = {}): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const { httpsPort: port } = get().stack;
      const socket = tlsConnect(
        { host: "127.0.0.1", port, rejectUnauthorized: false, servername: "localhost", ...options },
        () => resolve(socket),
      );
      socket.on("error", reject);
    });
  const use = async <T>(options: ConnectionOptions, look: (socket: TLSSocket) => T): Promise<T> => {
    const socket = await handshake(options);
    try {
      return look(socket);
    } finally {
      socket.destroy();
    }
  };

  it("TLS 1.2 and 1.3, and nothing older", async () => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const options = { minVersion: version, maxVersion: version };
      assert.equal(await use(options, (socket) => socket.getProtocol()), version);
    }
    for (const version of ["TLSv1", "TLSv1.1"] as const) {
      // The client itself must allow the version, or the test would take the client's refusal for the edge's.
      const options = { minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" };
      await assert.rejects(handshake(options), /alert protocol version/i, version);
    }
  });

  it("only suites with forward secrecy and AEAD", async () => {
    const only = (ciphers: string) => ({ maxVersion: "TLSv1.2", ciphers: `${ciphers}:@SECLEVEL=0` }) as const;
    for (const suite of ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"]) {
      const name = `ECDHE-ECDSA-${suite}`;
      assert.equal(await use(only(name), (socket) => socket.getCipher().name), name);
    }
    const weak = getCiphers()
      .map((name) => name.toUpperCase())
      .filter((name) => !name.startsWith("TLS_") && !/^ECDHE-(ECDSA|RSA)-.*(GCM|POLY1305)/.test(name));
    assert.ok(weak.length > 20);
    await assert.rejects(handshake(only(weak.join(":"))), /handshake failure|no ciphers/i);
  });

  it("the curves of Mozilla's guideline, the post-quantum one first", async () => {
    for (const ecdhCurve of ["X25519MLKEM768", "X25519", "prime256v1", "secp384r1"])
      await use({ ecdhCurve }, (socket) => assert.ok(socket.authorized === false && socket.encrypted));
    await assert.rejects(handshake({ ecdhCurve: "secp521r1" }), /handshake failure/i);
  });

  it("no client renegotiation, no tickets, and HTTP/2 by ALPN", async () => {
    const socket = await handshake({ maxVersion: "TLSv1.2" });
    await assert.rejects(
      new Promise<void>((resolve, reject) => {
        socket.on("error", reject).on("close", () => reject(new Error("closed")));
        socket.renegotiate({}, (error) => (error ? reject(error) : resolve()));
      }),
    );
    socket.destroy();
    assert.equal(await use({ maxVersion: "TLSv1.2" }, (one) => one.getTLSTicket()), undefined);
    assert.equal(await use({ ALPNProtocols: ["h2", "http/1.1"] }, (one) => one.alpnProtocol), "h2");
  });

  it("the certificate has the right names, is strong, and neither has expired nor is about to", async () => {
    const raw = await use({}, (socket) => socket.getPeerCertificate().raw);
    const certificate = new X509Certificate(raw);
    for (const name of ["localhost", "127.0.0.1"])
      assert.ok(certificate.checkHost(name) ?? certificate.checkIP(name), name);
    assert.equal(certificate.checkHost("evil.example"), undefined);
    assert.deepEqual(certificate.publicKey.asymmetricKeyDetails, { namedCurve: "prime256v1" });
    assert.ok(Date.parse(certificate.validFrom) <= Date.now());
    assert.ok(Date.parse(certificate.validTo) > Date.now() + 30 * 86_400_000);
    // A client that trusts this certificate, as in a closed network, has to accept no other error.
    const ca = certificate.toString();
    const isTrusted = { ca, rejectUnauthorized: true };
    assert.equal(await use({ ...isTrusted, servername: "localhost" }, (socket) => socket.authorized), true);
    await assert.rejects(handshake({ ...isTrusted, servername: "evil.example" }), /altname|does not match/i);
    await assert.rejects(handshake({ rejectUnauthorized: true }), /self-signed/i);
  });

  it("HSTS for two years on every answer over TLS, and none over plain HTTP", async () => {
    for (const path of ["/api/auth/check", "/nothing", "/healthz"]) {
      const { headers } = await get().ask(path);
      const [, age] =
        /^max-age=(\d+); includeSubDomains$/.exec(String(headers["strict-transport-security"])) ?? [];
      assert.ok(Number(age) >= 63_072_000, path);
      const plain = await get().ask(path, { plain: true });
      assert.equal(plain.headers["strict-transport-security"], undefined);
    }
  });

  it("a client that does not speak TLS is told so and gets nothing", async () => {
    const { text } = await get().raw("GET /api/diag HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {
      port: get().stack.httpsPort,
    });
    assert.match(text, /^HTTP\/1\.1 400 /);
  });
}
