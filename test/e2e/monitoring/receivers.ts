/**
 * Every kind of receiver, told by the real Alertmanager with the configuration that the program renders: a mail server, and
 * servers that listen where those of Slack, Discord, Telegram and ntfy would. What those make of it is theirs, and not seen here.
 * Each fails at first: with an error, or by not answering.
 */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { SMTPServer } from "smtp-server";
import { createCertificate } from "../../../infra/components/edge/certificate.ts";
import { planAlertmanager } from "../../../infra/components/monitoring/plan.ts";
import {
  renderAlertmanager,
  SECRETS,
  secretFile,
  TEMPLATES,
  type Receiver,
} from "../../../infra/components/monitoring/receivers.ts";
import { execIn } from "../../../ops/engine/exec.ts";
import { gatewayOf } from "../../support/alert-receiver.ts";
import { eventually } from "../../support/http.ts";
import { docker } from "../../support/stack.ts";

/** What arrived, by the kind of its receiver. */
interface Arrival {
  readonly path: string;
  readonly body: string;
  readonly taken: boolean;
}

/** How Telegram's clients reach it; no other name or port can be configured. */
const TELEGRAM = "api.telegram.org";
const MAIL = "mail.example.org";
const [USER, PASSWORD, TOKEN] = ["alerts", "s3cret-of-mail", "4711:AAE-token"];

/** @param image the id of Alertmanager's image. */
export function receivers(image: () => Promise<string>): void {
  const arrivals = new Map<string, Arrival[]>();
  const closing: (() => void)[] = [];
  const folder = mkdtempSync(join(tmpdir(), "omniai-receivers-"));
  const name = `omniai-test-receivers-${randomBytes(4).toString("hex")}`;

  /** @returns whether it is the first try, which fails */
  function arrived(kind: string, path: string, body: string): boolean {
    const before = arrivals.get(kind) ?? [];
    const isFirst = before.length === 0;
    arrivals.set(kind, [...before, { path, body, taken: !isFirst }]);
    return isFirst;
  }
  const taken = (kind: string): Arrival[] => (arrivals.get(kind) ?? []).filter((one) => one.taken);

  /** Answers as the service of that kind does when it took a message. */
  const answers =
    (kindOf: (path: string) => string): RequestListener =>
    (request, response) => {
      let body = "";
      request.on("data", (part: Buffer) => (body += part.toString()));
      request.on("end", () => {
        const path = request.url ?? "";
        const kind = kindOf(path);
        if (arrived(kind, path, body)) {
          // The webhook hangs, and is given up after a while.
          if (kind !== "webhook") response.writeHead(kind === "slack" ? 500 : 503).end();
        } else if (kind === "telegram") {
          response.writeHead(200, { "content-type": "application/json" });
          response.end(
            JSON.stringify({ ok: true, result: { message_id: 1, date: 1, chat: { id: -5, type: "group" } } }),
          );
        } else response.writeHead(kind === "discord" ? 204 : 200).end(kind === "slack" ? "ok" : "");
      });
    };

  async function listen(server: Server, port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  async function listenForMail(host: string, pair: { certificate: string; key: string }): Promise<number> {
    const server = new SMTPServer({
      ...{ key: pair.key, cert: pair.certificate, authMethods: ["PLAIN", "LOGIN"] },
      onAuth: ({ username, password }, _session, callback) =>
        username === USER && password === PASSWORD
          ? callback(null, { user: username })
          : callback(new Error("wrong name or password")),
      onData: (stream, { secure, envelope }, callback) => {
        let text = "";
        stream.on("data", (part: Buffer) => (text += part.toString()));
        stream.on("end", () => {
          const [to] = envelope.rcptTo;
          const isFirst = arrived("email", `${String(secure)} ${to?.address ?? ""}`, text);
          // A full mailbox: come again later.
          if (isFirst) callback(Object.assign(new Error("try again"), { responseCode: 451 }));
          else callback(null);
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    closing.push(() => server.close(() => undefined));
    return (server.server.address() as AddressInfo).port;
  }

  before("an Alertmanager with a receiver of each kind", async () => {
    // A network of its own, so that nobody else has a port at its address.
    await docker.createNetwork({ Name: name, Driver: "bridge" });
    const host = await gatewayOf(name);
    const pair = await createCertificate([TELEGRAM, MAIL]);
    const port = await listen(createServer(answers((path) => path.split("/")[1] ?? "")), 0, host);
    await listen(
      createTlsServer(
        { cert: pair.certificate, key: pair.key },
        answers(() => "telegram"),
      ),
      443,
      host,
    );
    const mail = await listenForMail(host, pair);
    const at = (path: string): string => `http://${host}:${port}${path}`;
    const list: { secret: string; receiver: Receiver }[] = [
      { secret: at("/webhook/x"), receiver: { kind: "webhook" } },
      { secret: at("/slack/services/T0/B0/xyz"), receiver: { kind: "slack" } },
      { secret: at("/discord/api/webhooks/1/abc"), receiver: { kind: "discord" } },
      { secret: at("/ntfy/topic?template=alertmanager"), receiver: { kind: "ntfy" } },
      { secret: TOKEN, receiver: { kind: "telegram", chat: -5 } },
      {
        secret: PASSWORD,
        receiver: {
          ...{ kind: "email", to: "ops@example.org", from: "omniai@example.org" },
          ...{ server: `${MAIL}:${mail}`, username: USER },
        },
      },
    ];
    const loaded = list.map(({ receiver }) => ({ ...receiver, secret: pulumi.secret("") }));
    const files = {
      "alertmanager.yml": renderAlertmanager(loaded, { watchdog: undefined }),
      "omniai.tmpl": TEMPLATES,
      "ca.pem": pair.certificate,
      ...Object.fromEntries(list.map(({ secret }, index) => [secretFile(index), secret])),
    };
    chmodSync(folder, 0o755);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    const container = await docker.createContainer({
      ...{ name, Image: await image(), Cmd: [...(planAlertmanager().command as string[])] },
      // The one thing that is otherwise than in a stack: it trusts the certificate of this test.
      Env: [`SSL_CERT_FILE=${SECRETS}/ca.pem`],
      HostConfig: {
        ...{ NetworkMode: name, Binds: [`${folder}:${SECRETS}:ro`], Tmpfs: { "/alertmanager": "mode=1777" } },
        ExtraHosts: [`${TELEGRAM}:${host}`, `${MAIL}:${host}`],
      },
    });
    await container.start();
    const send = [
      ...["amtool", "--alertmanager.url=http://127.0.0.1:9093", "alert", "add", "alertname=DiskFilling"],
      ...["severity=critical", "stack=prod", "--annotation=summary=The disk is 95 % full."],
      ...[
        "--annotation=description=Nothing is written then.",
        "--annotation=runbook=docs/runbook.md#diskfilling",
      ],
    ];
    await eventually("Alertmanager", 30, async () => (await execIn(docker, name, send)).exitCode === 0);
  });
  after(async () => {
    for (const close of closing) close();
    await docker.getContainer(name).remove({ force: true, v: true });
    await docker.getNetwork(name).remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const KINDS = ["webhook", "slack", "discord", "ntfy", "telegram", "email"];

  it("are told, although each failed at first, and once", async () => {
    await eventually("a message to each", 90, () => KINDS.every((kind) => taken(kind).length > 0));
    for (const kind of KINDS) assert.equal(taken(kind).length, 1, kind);
  });

  const TITLE = "critical: DiskFilling (prod)";
  const TEXT =
    /The disk is 95 % full\.\s+Nothing is written then\.\s+Since [\d-]+ [\d:]+ UTC\. docs\/runbook\.md#diskfilling/;
  const bodyOf = (kind: string): Record<string, unknown> =>
    JSON.parse(taken(kind)[0]?.body ?? "") as Record<string, unknown>;

  it("by webhook and ntfy get Alertmanager's own format, at the address with its query", () => {
    assert.equal(taken("ntfy")[0]?.path, "/ntfy/topic?template=alertmanager");
    for (const kind of ["webhook", "ntfy"]) {
      const { version, status, alerts } = bodyOf(kind);
      assert.deepEqual([version, status], ["4", "firing"]);
      const [alert] = alerts as { labels: object; annotations: { summary: string } }[];
      assert.deepEqual(alert?.labels, { alertname: "DiskFilling", severity: "critical", stack: "prod" });
      assert.equal(alert?.annotations.summary, "The disk is 95 % full.");
    }
  });

  it("by Slack, Discord and Telegram get what their interfaces take", () => {
    const { attachments } = bodyOf("slack") as { attachments: { title: string; text: string }[] };
    assert.equal(attachments[0]?.title, TITLE);
    assert.match(attachments[0]?.text ?? "", TEXT);
    const { embeds } = bodyOf("discord") as { embeds: { title: string; description: string }[] };
    assert.equal(embeds[0]?.title, TITLE);
    assert.match(embeds[0]?.description ?? "", TEXT);
    assert.equal(taken("telegram")[0]?.path, `/bot${TOKEN}/sendMessage`);
    const { chat_id: chat, text } = bodyOf("telegram");
    assert.equal(String(chat), "-5");
    assert.ok(String(text).startsWith(TITLE));
    assert.match(String(text), TEXT);
  });

  it("by mail get a plain text over TLS, from who logged in", () => {
    const [mail] = taken("email");
    assert.equal(mail?.path, "true ops@example.org");
    assert.match(mail?.body ?? "", /^Subject: critical: DiskFilling \(prod\)\r?$/m);
    assert.match(mail?.body ?? "", /^From: .*omniai@example\.org/m);
    assert.match((mail?.body ?? "").replaceAll("=\r\n", ""), /The disk is 95 % full\./);
  });
}
