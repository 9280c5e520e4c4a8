/** What the diagnostics say of what is around the service: alerts, certificate and tunnel, whatever answers there. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import { createServer as createSilentServer, type AddressInfo, type Server as NetServer } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { alertsDiag, alertsDiagSchema } from "../../src/diag/alerts.ts";
import { certificateDiag, certificateDiagSchema } from "../../src/diag/certificate.ts";
import { tunnelDiag, tunnelDiagSchema } from "../../src/diag/tunnel.ts";

/** As vmalert 1.151 answers; the members that are passed over are left out but one. */
const alert = (name: string, severity: string, state = "firing") => ({
  state,
  name,
  value: "1",
  labels: { alertname: name, severity },
  annotations: { summary: `${name} is so.`, runbook: `docs/runbook.md#${name.toLowerCase()}` },
  activeAt: "2026-11-26T20:35:50Z",
});
const watchdog = alert("Watchdog", "none");
const said = (...alerts: object[]): string => JSON.stringify({ status: "success", data: { alerts } });

async function listen(server: Server | NetServer | TlsServer): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("the diagnostics of what is around the service", () => {
  let server: Server;
  let url = "";
  let answer: { status: number; text: string };
  const asked: string[] = [];
  before(async () => {
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.text);
    });
    url = `http://${await listen(server)}`;
  });
  after(() => void server.close());

  it("are absent where a stack has none of it", async () => {
    assert.deepEqual(
      [await alertsDiag([]), await certificateDiag(undefined), await tunnelDiag(undefined)],
      [{ status: "absent" }, { status: "absent" }, { status: "absent" }],
    );
  });

  describe("alerts", () => {
    const found = async (text: string, status = 200) => {
      answer = { status, text };
      return alertsDiagSchema.parse(await alertsDiag([url]));
    };

    it("are those that fire, the critical ones first, without the sign of life", async () => {
      const alerts = await found(
        said(
          alert("DiskFilling", "warning"),
          watchdog,
          alert("TunnelDown", "critical"),
          alert("Soon", "critical", "pending"),
        ),
      );
      assert.deepEqual([alerts.status, alerts.count], ["fail", 2]);
      assert.deepEqual(alerts.firing?.[0], {
        name: "TunnelDown",
        severity: "critical",
        summary: "TunnelDown is so.",
        runbook: "docs/runbook.md#tunneldown",
        since: "2026-11-26T20:35:50Z",
      });
      assert.equal(alerts.firing?.[1]?.name, "DiskFilling");
      assert.equal((await found(said(watchdog, alert("DiskFilling", "warning")))).status, "warn");
      assert.deepEqual(await found(said(watchdog)), { status: "pass", count: 0, firing: [] });
    });

    it("are those of every vmalert, and unknown where one of them does not answer", async () => {
      const other = createServer((_request, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(said(alert("DataDamaged", "critical")));
      });
      const urls = [url, `http://${await listen(other)}`];
      answer = { status: 200, text: said(watchdog, alert("DiskFilling", "warning")) };
      const { status, firing } = await alertsDiag(urls);
      assert.deepEqual([status, firing?.map(({ name }) => name)], ["fail", ["DataDamaged", "DiskFilling"]]);
      await new Promise((resolve) => other.close(resolve).closeAllConnections());
      assert.deepEqual(await alertsDiag(urls), { status: "unknown" });
      const silent = createSilentServer();
      assert.deepEqual(await alertsDiag([url, `http://${await listen(silent)}`]), { status: "unknown" });
      silent.close();
    });

    it("are counted where there are more than anybody reads", async () => {
      const many = await found(
        said(watchdog, ...Array.from({ length: 500 }, (_, n) => alert(`A${n}`, "warning"))),
      );
      assert.deepEqual([many.count, many.firing?.length], [500, 20]);
    });

    for (const [name, status, text] of [
      ["no rule is judged", 200, said()],
      ["vmalert refuses", 401, said(watchdog)],
      ["something else answers", 200, "<html>"],
      ["the answer has another shape", 200, '{"data":{}}'],
    ] as const)
      it(`are unknown where ${name}`, async () =>
        assert.deepEqual(await found(text, status), { status: "unknown" }));
  });

  describe("the certificate", () => {
    const DAYS = 90;
    const day = 86_400_000;
    const pemFor = (days: number): string =>
      execFileSync(
        "openssl",
        `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days ${days} -subj /CN=edge -keyout - -out -`.split(
          " ",
        ),
        { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
      );
    let edge: TlsServer;
    let address = "";
    before(async () => {
      const pem = pemFor(DAYS);
      edge = createTlsServer({ key: pem, cert: pem }).on("tlsClientError", () => undefined);
      address = await listen(edge);
    });
    after(() => void edge.close());

    it("is what a browser would be shown, and is told of weeks before it ends", async () => {
      const now = Date.now();
      for (const [left, status] of [
        [DAYS - 1, "pass"],
        [20, "warn"],
        [2, "fail"],
        [-1, "fail"],
      ] as const) {
        const found = await certificateDiag(address, now + (DAYS - left) * day);
        assert.equal(certificateDiagSchema.parse(found).status, status);
        assert.ok(Math.abs(Date.parse(found.ends ?? "") - now - DAYS * day) < 60_000, found.ends);
      }
    });

    it("is well until it should have been renewed, also where it lives for less", async () => {
      const days = 45;
      const pem = pemFor(days);
      edge.setSecureContext({ key: pem, cert: pem });
      for (const [left, status] of [
        [14, "pass"],
        [10, "warn"],
        [2, "fail"],
      ] as const) {
        const found = await certificateDiag(address, Date.now() + (days - left) * day);
        assert.equal(found.status, status, `${left} days left`);
      }
    });

    it("is unknown where nobody answers, or nobody speaks TLS", async () => {
      assert.deepEqual(await certificateDiag("127.0.0.1:1"), { status: "unknown" });
      assert.deepEqual(await certificateDiag(new URL(url).host), { status: "unknown" });
      const silent = createSilentServer();
      assert.deepEqual(await certificateDiag(await listen(silent)), { status: "unknown" });
      silent.close();
    });
  });

  describe("the tunnel", () => {
    it("is well where the stack reaches itself by its public name", async () => {
      answer = { status: 200, text: "" };
      asked.length = 0;
      const found = tunnelDiagSchema.parse(await tunnelDiag(url));
      assert.deepEqual([found.status, found.url, asked], ["pass", url, ["HEAD /healthz"]]);
      assert.ok(Number.isInteger(found.latencyMs));
    });

    it("is not where Cloudflare answers for it, or nobody", async () => {
      answer = { status: 530, text: "error code: 1033" };
      const { latencyMs: _, ...found } = await tunnelDiag(url);
      assert.deepEqual(found, { status: "fail", url, reason: "it answers 530" });
      const closed = createSilentServer();
      const gone = `http://${await listen(closed)}`;
      await new Promise((resolve) => closed.close(resolve));
      assert.deepEqual(await tunnelDiag(gone), {
        status: "fail",
        url: gone,
        reason: "it cannot be reached (ECONNREFUSED)",
      });
    });
  });
});
