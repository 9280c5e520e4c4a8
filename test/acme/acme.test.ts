/** Certificates of an ACME authority at the edge: a real authority, certbot and nginx, from the first one to a renewal under load. */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import type { ClientRequest, RequestListener } from "node:http";
import { get } from "node:https";
import { isIPv6 } from "node:net";
import { connect } from "node:tls";
import { HTTP_PORT, HTTPS_PORT } from "../../infra/components/edge/nginx.ts";
import { Authority } from "../support/acme/authority.ts";
import { docker, Room, roomImage } from "../support/acme/room.ts";
import { rate } from "../support/acme/testssl.ts";
import { startEdge, type TestEdge } from "../support/edge.ts";
import { call, eventually } from "../support/http.ts";
import { quantile, startLoad, tellFailure } from "../support/load.ts";

const HOSTS = ["api.example.test", "www.example.test"];
const [HOST = ""] = HOSTS;
/** One run of certbot in five fails where the authority refuses one request in seven: all of these in a row never do. */
const MOST_RUNS = 8;

describe("certificates of an authority", function () {
  this.timeout(240_000);
  let edge: TestEdge;
  let room: Room;
  let authority: Authority;
  let handover: string;
  let image: string;
  /** The addresses, on the edge's network, of the edge (of both families) and of this machine. */
  let [edgeAddress, edgeIpv6, ownAddress] = ["", "", ""];

  /** What a test that failed left open. */
  const left: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of left.splice(0)) await end();
  });

  const replica: RequestListener = (request, response) => {
    request.resume();
    if (request.headers.accept !== "text/event-stream") return void response.end("{}");
    response.writeHead(200, { "content-type": "text/event-stream" });
    const beat = setInterval(() => response.write("event: tick\ndata: {}\n\n"), 200);
    response.write(": ok\n\n");
    response.on("close", () => clearInterval(beat));
  };

  before(async () => {
    image = await roomImage();
    handover = `omniai-acme-test-${process.pid}`;
    await docker("volume", "create", handover);
    // As the program does it: the folder is for the user of the edge and of the room.
    await docker(
      ...["run", "--rm", "--network", "none", "--user", "0:0", "-v", `${handover}:/files`],
      ...["--entrypoint", "chown", image, "101:101", "/files"],
    );
    edge = await startEdge([replica], handover, { ipv6: true });
    const inspect = (format: string, ...what: string[]) => docker("inspect", "-f", format, ...what);
    edgeAddress = await inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", edge.container);
    edgeIpv6 = await inspect(
      "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}",
      edge.container,
    );
    ownAddress = await inspect("{{(index .IPAM.Config 0).Gateway}}", "--type", "network", edge.network);
    authority = await Authority.create(ownAddress);
    const { directory, certificate } = authority;
    const { container, network } = edge;
    room = await Room.start({
      ...{ image, hosts: HOSTS, directory, authority: certificate },
      ...{ edge: container, network, handover },
    });
  });
  after(async () => {
    await room?.remove();
    // Files of another user than the test's.
    if (edge as TestEdge | undefined) edge.exec("rm -rf /etc/omniai/edge/certificates");
    await authority?.remove();
    edge?.remove();
    if (handover) await docker("volume", "rm", "-f", handover);
  });

  /** What the edge shows to a new client: a whole handshake, as nothing of a session is kept. */
  const shown = (): Promise<X509Certificate> =>
    new Promise((resolve, reject) => {
      const socket = connect({
        ...{ port: edge.httpsPort, host: "127.0.0.1", servername: HOST, rejectUnauthorized: false },
      });
      socket.once("error", reject).once("secureConnect", () => {
        const certificate = socket.getPeerX509Certificate();
        socket.destroy();
        if (certificate) resolve(certificate);
        else reject(new Error("no certificate"));
      });
    });
  const isGenerated = (certificate: X509Certificate): boolean => certificate.issuer.includes("O=OmniAI");
  const asHost = { headers: { host: HOST } };
  const certificate = async (): Promise<X509Certificate> => new X509Certificate(await room.certificate());
  const point = async (address: string | undefined): Promise<void> => {
    for (const host of HOSTS) await authority.point(host, address);
  };
  /** Has certbot run until it is as expected. It repeats a refused request once, so of the many of a run both may be refused. */
  const asked = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
    let last: unknown;
    for (let run = 0; run < MOST_RUNS; run += 1) {
      await room.ask();
      try {
        last = await isSo();
        if (last === true) return;
      } catch (error) {
        last = error;
      }
    }
    throw new Error(`${what}: not after ${MOST_RUNS} runs of certbot; last: ${String(last)}`);
  };
  /** Until the edge shows another certificate than this one. */
  const replaced = (fingerprint: string): Promise<X509Certificate> =>
    eventually("another certificate at the edge", 90, async () => {
      const now = await shown();
      return now.fingerprint256 !== fingerprint && now;
    });
  /** Has certbot run until there is another certificate than this one, and waits until the edge shows it. */
  const renewed = async ({ fingerprint256 }: X509Certificate): Promise<X509Certificate> => {
    await asked("another certificate", async () => (await certificate()).fingerprint256 !== fingerprint256);
    return replaced(fingerprint256);
  };

  it("while the authority is down the edge serves the generated one, by HTTP too, and the room waits longer each time", async () => {
    await eventually("two tries", 120, async () => (await room.state()).failures >= 2);
    const { ends, served, problem, tried, next, failures } = await room.state();
    assert.deepEqual([ends, served], [null, null]);
    assert.match(problem ?? "", /connection|refused|Max retries/i);
    const waits = (Date.parse(next ?? "") - Date.parse(tried ?? "")) / 1000;
    assert.ok(waits >= 2 ** (failures - 1) - 1, `${waits} s after ${failures} failures`);
    assert.ok(isGenerated(await shown()));
    assert.equal((await call(`${edge.http}/api/x`, asHost)).status, 200);
    const { headers, status } = await call(`${edge.https}/api/x`, asHost);
    assert.deepEqual([status, headers["strict-transport-security"]], [200, undefined]);
    assert.match(await docker("logs", edge.container), /serves the generated one, which no browser trusts/);
    const metrics = await room.metrics();
    assert.equal(metrics.get("omniai_acme_certificate_present"), 0);
    assert.ok((metrics.get("omniai_acme_failures") ?? 0) >= 2);
    assert.equal(metrics.get("omniai_acme_certificate_end_timestamp_seconds"), undefined);
  });

  it("a record that is missing, or leads elsewhere, is told with the authority's own words", async () => {
    const tells = (pattern: RegExp) =>
      asked("its words", async () => {
        assert.match((await room.state()).problem ?? "", pattern);
        return true;
      });
    await authority.start(15);
    await point(undefined);
    await tells(new RegExp(`${HOST}: .*\\((dns|connection|malformed)\\)`));
    await point(ownAddress);
    await tells(new RegExp(`${HOST}: .*refused.*\\(connection\\)`));
    assert.ok(isGenerated(await shown()));
  });

  it("the first one is served as soon as there is one, though the authority refuses one request in seven", async () => {
    const before = await shown();
    // From here on the room's own tries may have one.
    await point(edgeAddress);
    const now = await renewed(before);
    assert.ok(!isGenerated(now));
    assert.equal(now.subjectAltName, HOSTS.map((host) => `DNS:${host}`).join(", "));
    const chain = (await room.certificate()).split(/(?<=-----END CERTIFICATE-----\n)/);
    const trusted = new X509Certificate(await authority.root());
    assert.ok(now.verify(new X509Certificate(chain[1] ?? "").publicKey), "signed by the next of its chain");
    assert.ok(new X509Certificate(chain[1] ?? "").verify(trusted.publicKey), "and that by the root");
    await eventually("the room sees it", 60, async () => (await room.state()).served === true);
    const { ends, failures, problem } = await room.state();
    assert.equal(Date.parse(ends ?? ""), now.validToDate.getTime());
    assert.deepEqual([failures, problem], [0, null]);
    const metrics = await room.metrics();
    assert.equal(
      metrics.get("omniai_acme_certificate_end_timestamp_seconds"),
      now.validToDate.getTime() / 1000,
    );
    assert.equal(metrics.get("omniai_acme_certificate_served"), 1);
  });

  it("from then on HTTP leads to HTTPS, which says to stay there; a challenge is still answered by HTTP", async () => {
    const { status, headers } = await call(`${edge.http}/api/x?y=1`, { ...asHost, method: "POST", body: {} });
    assert.deepEqual([status, headers.location], [308, `https://${HOST}:${edge.httpsPort}/api/x?y=1`]);
    const secure = await call(`${edge.https}/api/x`, asHost);
    assert.match(String(secure.headers["strict-transport-security"]), /^max-age=\d{8}/);
    const challenge = "/.well-known/acme-challenge/";
    assert.equal((await call(`${edge.http}${challenge}none`, asHost)).status, 404);
    const folder = `/handover/challenges${challenge}`;
    await room.exec("sh", "-c", `mkdir -p ${folder} && echo proof > ${folder}some`);
    assert.equal((await call(`${edge.http}${challenge}some`, asHost)).text, "proof\n");
    for (const path of ["..%2f..%2f..%2fcurrent/privkey.pem", "../../../current/privkey.pem"])
      assert.doesNotMatch((await call(`${edge.http}${challenge}${path}`, asHost)).text, /PRIVATE/);
  });

  it("is rated A+ by testssl.sh, by whom the authority is believed", async () => {
    const { network } = edge;
    const authorityRoot = await authority.root();
    const { grade, caps, wrong, seconds } = await rate({
      ...{ network, host: HOST, address: edgeAddress, port: HTTPS_PORT },
      authority: authorityRoot,
    });
    console.log(`      ${grade} in ${seconds.toFixed(0)} s; by itself: ${wrong.join("; ") || "nothing"}`);
    assert.deepEqual([grade, caps], ["A+", []], wrong.join("\n"));
  });

  it("is not renewed before the authority says so, and the authority is not asked before it wants to be", async () => {
    const before = await certificate();
    await room.ask();
    const { next, failures } = await room.state();
    assert.ok(Date.parse(next ?? "") > Date.now() + 3_600_000, `asked again at ${next}`);
    assert.equal((await certificate()).fingerprint256, before.fingerprint256);
    assert.equal(failures, 0);
  });

  it("is asked for once more when the operator asks while certbot runs", async () => {
    const before = await room.answers();
    await room.signal();
    await eventually("certbot", 60, async () =>
      (await docker("top", room.name)).includes("certbot certonly"),
    );
    await room.signal();
    await eventually("both answers", 120, async () => (await room.answers()) === before + 2);
  });

  it("that could not be renewed is still due at the next try, though certbot has noted a time to ask the authority again", async () => {
    const before = await shown();
    await authority.wantRenewal(await room.certificate());
    await point(undefined);
    await room.ask();
    assert.ok((await room.state()).failures >= 1, "without a record");
    await room.ask();
    assert.ok((await room.state()).failures >= 2, "asked again");
    assert.equal((await shown()).fingerprint256, before.fingerprint256);
    await point(edgeAddress);
    await renewed(before);
    // The edge may have it from a try of the room's own, which is noted after that.
    const { problem } = await eventually("no failure", 60, async () => {
      const state = await room.state();
      return state.failures === 0 && state;
    });
    assert.equal(problem, null);
  });

  it("is renewed under load when the authority says so: no request fails, no stream is cut, two certificates are seen", async () => {
    const before = await shown();
    const seen = new Map<string, number>();
    const errors: string[] = [];
    let watching = true;
    left.push(() => (watching = false));
    const watch = (async () => {
      while (watching) {
        try {
          const { fingerprint256 } = await shown();
          seen.set(fingerprint256, (seen.get(fingerprint256) ?? 0) + 1);
        } catch (error) {
          errors.push(String(error));
        }
        // The replica is in this process: handshake upon handshake would leave it no time to answer in, where cores are few.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const streams = Array.from({ length: 20 }, () => openStream(edge.https));
    left.push(() => streams.forEach(({ close }) => close()));
    await eventually("streams", 60, () => streams.every(({ ticks }) => ticks() > 0));
    const load = startLoad({
      url: edge.https,
      rate: 200,
      request: () => ({ method: "GET", path: "/api/x" }),
    });
    left.push(() => load.stop());
    await authority.wantRenewal(await room.certificate());
    const now = await renewed(before);
    // Idle connections of the workers before are closed within ten seconds; a stream stays with its worker.
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    const result = await load.stop();
    watching = false;
    await watch;
    const ticks = streams.map((stream) => stream.ticks());
    await eventually("streams that go on", 30, () =>
      streams.every((stream, n) => stream.ticks() > (ticks[n] ?? 0)),
    );
    assert.deepEqual(result.failures.map(tellFailure), [], `${result.failures.length} of ${result.sent}`);
    assert.deepEqual(errors, []);
    assert.deepEqual(
      streams.map(({ cut }) => cut()),
      streams.map(() => undefined),
    );
    assert.deepEqual([...seen.keys()].sort(), [before.fingerprint256, now.fingerprint256].sort());
    assert.equal((await shown()).fingerprint256, now.fingerprint256);
    console.log(
      `      ${result.sent} requests, 0 failed, 99 % within ${quantile(result.latencies, 0.99).toFixed(0)} ms; ` +
        `${streams.length} streams, 0 cut; handshakes ${[...seen.values()].join(" + ")}`,
    );
  });

  it("is renewed for hosts that have nothing but an IPv6 address", async () => {
    const before = await shown();
    await authority.wantRenewal(await room.certificate());
    await point(edgeIpv6);
    await renewed(before);
    const asked = edge.log().filter(({ path }) => String(path).startsWith("/.well-known/acme-challenge/"));
    const [last] = asked.slice(-1);
    assert.ok(isIPv6(String(last?.["address"])), `asked from ${String(last?.["address"])}`);
    const { status, headers } = await call(`http://[${edgeIpv6}]:${HTTP_PORT}/api/x`, asHost);
    assert.deepEqual([status, headers.location], [308, `https://${HOST}:${edge.httpsPort}/api/x`]);
    await point(edgeAddress);
  });

  it("is renewed when it was revoked", async () => {
    const before = await shown();
    const revoke = [
      ...["env", "REQUESTS_CA_BUNDLE=/run/room/authorities.pem", "certbot", "revoke", "--non-interactive"],
      ...["--no-delete-after-revoke", "--cert-path", "/handover/current/fullchain.pem"],
      ...["--server", authority.directory, "--config-dir", "/certificates"],
      ...["--work-dir", "/run/room/work", "--logs-dir", "/run/room/logs"],
    ];
    // The authority refuses one request in seven here, too.
    await eventually("the revocation", 120, async () => (await room.exec(...revoke)) !== undefined);
    await renewed(before);
  });

  it("stays while the authority is down, which is told", async () => {
    const before = await shown();
    await authority.stop();
    await room.ask();
    const { failures, problem, served } = await room.state();
    assert.ok(failures >= 1);
    assert.match(problem ?? "", /connection|refused|Max retries/i);
    if (!served) await eventually("the edge is seen", 60, async () => (await room.state()).served);
    assert.equal((await shown()).fingerprint256, before.fingerprint256);
  });

  it("that nginx refuses is not served, and the one before is again", async () => {
    const before = await shown();
    const broken =
      "mkdir /handover/broken && echo no > /handover/broken/fullchain.pem && echo no > /handover/broken/privkey.pem";
    await room.exec(
      "sh",
      "-c",
      `${broken} && ln -sfn broken /handover/next && mv -fT /handover/next /handover/current`,
    );
    assert.equal((await shown()).fingerprint256, before.fingerprint256);
    // The authority is still down, so certbot may be run just now.
    await eventually("the room mends it", 60, async () => (await room.certificate()) !== "no");
    assert.equal((await shown()).fingerprint256, before.fingerprint256);
    assert.equal((await call(`${edge.https}/api/x`, asHost)).status, 200);
  });

  it("is that of the copy on a host that was rebuilt, with its account, and is served before an authority is asked", async () => {
    const before = await certificate();
    const account = (): Promise<string> =>
      room.exec("sh", "-c", "cat /certificates/accounts/*/*/*/private_key.json | sha256sum");
    const key = await account();
    const mode = await room.exec("stat", "-c", "%a:%u:%g", "/copy/kept/certificates.tar");
    assert.equal(mode, "440:101:999", "for the backup room's group, and nobody else");
    // The authority is down: what is not in the copy cannot be had.
    const { failures } = await room.state();
    await room.rebuild();
    await eventually("the certificate", 60, async () =>
      (await room.certificate().catch(() => "")).includes("BEGIN"),
    );
    // It is told after the edge has it.
    const told = await eventually("what the room says of it", 60, async () => {
      const lines = await docker("logs", room.name);
      return lines.includes("the edge is given a certificate") && lines;
    });
    assert.match(told, /are those of the copy/);
    const [untilTry] = told.split("no certificate from the authority");
    assert.match(untilTry ?? "", /the edge is given a certificate/);
    assert.equal((await certificate()).fingerprint256, before.fingerprint256);
    assert.equal(await account(), key);
    const state = await eventually("the room's state", 60, () => room.state());
    // The waits go on where they were: an authority that is down is not asked as often as by a room that knows nothing.
    assert.ok(state.failures >= failures, `${state.failures} failures after ${failures}`);
  });

  it("is served by an edge that starts anew, whatever became of the room; without its copy, that serves the generated one", async () => {
    const before = await shown();
    await docker("stop", "-t", "5", room.name);
    await docker(
      ...["run", "--rm", "--network", "none", "--user", "0:0", "-v", `${handover}:/handover`],
      ...["--entrypoint", "sh", image, "-c", "rm -rf /handover/*"],
    );
    await docker("restart", "-t", "5", edge.container);
    assert.equal((await eventually("the edge", 60, shown)).fingerprint256, before.fingerprint256);
    edge.exec("rm -rf /etc/omniai/edge/certificates");
    await docker("restart", "-t", "5", edge.container);
    const generated = await eventually("the edge", 60, shown);
    assert.ok(isGenerated(generated));
    assert.equal((await call(`${edge.http}/api/x`, asHost)).status, 200);
    await docker("start", room.name);
    const now = await replaced(generated.fingerprint256);
    assert.equal(now.fingerprint256, before.fingerprint256);
  });
});

/** A stream that counts what arrives, and says why it ended. */
function openStream(url: string): { ticks: () => number; cut: () => string | undefined; close: () => void } {
  let [ticks, closing] = [0, false];
  let cut: string | undefined;
  const end = (why: string) => () => {
    if (!closing) cut ??= why;
  };
  const request: ClientRequest = get(
    `${url}/api/events`,
    { agent: false, rejectUnauthorized: false, headers: { accept: "text/event-stream" } },
    (response) => {
      if (response.statusCode !== 200) cut = `status ${response.statusCode}`;
      response.on("data", (part: Buffer) => (ticks += part.toString().split("event: tick").length - 1));
      response.on("end", end("ended")).on("error", end("error")).on("close", end("closed"));
    },
  );
  request.on("error", end("error"));
  return {
    ticks: () => ticks,
    cut: () => cut,
    close: () => {
      closing = true;
      request.destroy();
    },
  };
}
