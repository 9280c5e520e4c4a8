/** A real ACME authority for a test: Pebble, and the DNS server that it asks. Both are processes of this machine. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { isIPv6 } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCertificate } from "../../../infra/components/edge/certificate.ts";
import { HTTP_PORT, HTTPS_PORT } from "../../../infra/components/edge/nginx.ts";
import { challengeServerPart, pebblePart } from "../../../tools/find/pebble.ts";
import { createContext } from "../../../tools/find/index.ts";
import { freePort } from "../../../tools/host/free-port.ts";
import { eventually } from "../http.ts";

type Ports = Readonly<Record<"directory" | "management" | "dns" | "records", number>>;

export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), "omniai-authority-"));
  readonly #address: string;
  readonly #processes = new Map<string, ChildProcess>();
  readonly #ports: Ports;
  #pebble = "";

  private constructor(address: string, ports: Ports) {
    this.#address = address;
    this.#ports = ports;
  }

  /** @param address of this machine, by which containers reach the authority. */
  static async create(address: string): Promise<Authority> {
    const [directory, management, dns, records] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const authority = new Authority(address, { directory, management, dns, records });
    await authority.#prepare();
    return authority;
  }

  get directory(): string {
    return `https://${this.#address}:${this.#ports.directory}/dir`;
  }

  /** Whom to believe about the authority's own address, in PEM. */
  get certificate(): string {
    return readFileSync(join(this.#folder, "certificate.pem"), "utf8");
  }

  async #prepare(): Promise<void> {
    const context = createContext();
    const dns = await challengeServerPart.ensure(context);
    this.#pebble = await pebblePart.ensure(context);
    const pair = await createCertificate([this.#address]);
    const { directory, management } = this.#ports;
    const pebble = {
      listenAddress: `${this.#address}:${directory}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: join(this.#folder, "certificate.pem"),
      privateKey: join(this.#folder, "key.pem"),
      httpPort: HTTP_PORT,
      tlsPort: HTTPS_PORT,
      ocspResponderURL: "",
      externalAccountBindingRequired: false,
      retryAfter: { authz: 1, order: 1 },
      keyAlgorithm: "ecdsa",
      profiles: { default: { description: "as Let's Encrypt's", validityPeriod: 7_776_000 } },
    };
    for (const [name, text] of Object.entries({
      "certificate.pem": pair.certificate,
      "key.pem": pair.key,
      "pebble.json": JSON.stringify({ pebble }),
    }))
      writeFileSync(join(this.#folder, name), text);
    const off = ["http01", "https01", "tlsalpn01", "doh", "defaultIPv4", "defaultIPv6"];
    this.#spawn("dns", dns, [
      ...off.flatMap((name) => [`-${name}`, ""]),
      ...["-dnsserver", `127.0.0.1:${this.#ports.dns}`, "-management", `127.0.0.1:${this.#ports.records}`],
    ]);
    await eventually("the DNS server", 60, () => this.#record("clear-a", { host: "nobody.example." }));
  }

  #spawn(name: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
    const child = spawn(program, args, { stdio: "ignore", env: { ...process.env, ...env } });
    this.#processes.set(name, child);
  }

  /** Starts it. A start is another authority: it forgets accounts and certificates. @param nonceReject how many in a hundred requests it refuses, for a client to repeat */
  async start(nonceReject = 5): Promise<void> {
    this.#spawn(
      "pebble",
      this.#pebble,
      ["-config", join(this.#folder, "pebble.json"), "-dnsserver", `127.0.0.1:${this.#ports.dns}`],
      { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: String(nonceReject), PEBBLE_AUTHZREUSE: "0" },
    );
    await eventually("the authority", 60, async () => (await this.#ask("GET", "/roots/0")) !== "");
  }

  /** Ends it: nobody answers at its address. */
  async stop(): Promise<void> {
    const child = this.#processes.get("pebble");
    if (child === undefined) return;
    this.#processes.delete("pebble");
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill();
    await ended;
  }

  /** What its DNS server says of a host. @param address of either family, the only one; undefined: that there is none */
  async point(host: string, address: string | undefined): Promise<void> {
    for (const type of ["a", "aaaa"]) await this.#record(`clear-${type}`, { host: `${host}.` });
    if (address === undefined) return;
    const type = isIPv6(address) ? "aaaa" : "a";
    await this.#record(`add-${type}`, { host: `${host}.`, addresses: [address] });
  }

  /** What its DNS server says of a host's TXT records. */
  async write(host: string, values: readonly string[]): Promise<void> {
    await this.#record("clear-txt", { host: `${host}.` });
    for (const value of values) await this.#record("set-txt", { host: `${host}.`, value });
  }

  /** Says of a certificate that it should have been renewed an hour ago. @param certificate in PEM */
  async wantRenewal(certificate: string): Promise<void> {
    const at = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();
    const ariResponse = JSON.stringify({ suggestedWindow: { start: at(-2), end: at(-1) } });
    await this.#ask("POST", "/set-renewal-info/", JSON.stringify({ certificate, ariResponse }));
  }

  /** The certificate, in PEM, that signs those of this start. */
  root(): Promise<string> {
    return this.#ask("GET", "/roots/0");
  }

  async remove(): Promise<void> {
    await this.stop();
    for (const child of this.#processes.values()) child.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #record(what: string, body: unknown): Promise<true> {
    const url = `http://127.0.0.1:${this.#ports.records}/${what}`;
    const { ok, status } = await fetch(url, { method: "POST", body: JSON.stringify(body) });
    if (!ok) throw new Error(`${url}: ${status}`);
    return true;
  }

  #ask(method: string, path: string, body?: string): Promise<string> {
    const agent = new Agent({ rejectUnauthorized: false });
    return new Promise((resolve, reject) => {
      const call = request(
        `https://127.0.0.1:${this.#ports.management}${path}`,
        { method, agent, headers: { "user-agent": "test" } },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (part: string) => (text += part));
          answer.on("end", () => {
            if ((answer.statusCode ?? 0) < 300) resolve(text);
            else reject(new Error(`${path}: ${answer.statusCode} ${text}`));
          });
        },
      );
      call.on("error", reject).end(body);
    });
  }
}
