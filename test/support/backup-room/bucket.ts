/** A real S3 server for a room's copies off-site, a place to break it, and the stack's own gate in front. */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { versitygwPart } from "../../../tools/find/versitygw.ts";
import { createContext } from "../../../tools/find/index.ts";
import { docker } from "./engine.ts";
import { openGate } from "./gate.ts";

const run = promisify(execFile);

export const ACCESS_KEY = "test-access";
export const SECRET_KEY = "test-secret-of-the-bucket";
/** As the room sees it: a fault is between this and the server. */
export const ENDPOINT = "http://s3.test:9000";
/** The server itself, by TLS. */
export const TLS_ENDPOINT = "https://s3tls.test:7071";
export const BUCKET = "copies";

export type Fault = "none" | "500" | "full" | "cut" | "hang" | "slow";

/** The bucket is on a network of its own; only the gate is on the room's as well. */
export class BucketServer {
  readonly #name: string;
  readonly #image: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "omniai-bucket-"));
  readonly #inside: string;
  readonly #space: number;

  private constructor(image: string, inside: string, space = 512) {
    this.#space = space;
    this.#name = `${inside}-s3`;
    this.#image = image;
    this.#inside = inside;
  }

  /**
   * The server alone, on an address of this machine that containers reach as well.
   * @param space for its objects, in MiB of memory; default: 512. @returns it with its endpoint
   */
  static async createAlone(
    image: string,
    name: string,
    port: number,
    space?: number,
  ): Promise<{ readonly server: BucketServer; readonly endpoint: string }> {
    const server = new BucketServer(image, name, space);
    const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const own =
      addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
    await docker("network", "create", server.#name);
    await server.#serve(["-p", `${own}:${port}:7070`], false);
    return { server, endpoint: `http://${own}:${port}` };
  }

  /** @param inside the room's network, whose name begins all names. */
  static async create(image: string, inside: string): Promise<BucketServer> {
    const bucket = new BucketServer(image, inside);
    await bucket.#start();
    return bucket;
  }

  get authority(): string {
    return readFileSync(join(this.#folder, "authority.pem"), "utf8");
  }

  async #start(): Promise<void> {
    this.#certify();
    await docker("network", "create", this.#name);
    await this.#serve([], true);
    const faulty = join(import.meta.dirname, "faulty-s3.py");
    await this.#run(
      "faults",
      ["s3.test"],
      ["-v", `${faulty}:/faulty-s3.py:ro`, this.#image, "python3", "/faulty-s3.py", "behind.test:7070"],
    );
    await this.openGate(ENDPOINT);
  }

  async #serve(flags: readonly string[], tls: boolean): Promise<void> {
    const program = await versitygwPart.ensure(createContext({ install: true }));
    const where = "posix --sidecar /data/side /data/posix";
    const script = [
      `mkdir -p /data/posix/${BUCKET} /data/side`,
      ...(tls ? [`versitygw --port :7071 --cert /tls/server.pem --key /tls/server.key ${where} &`] : []),
      `exec versitygw --port :7070 ${where}`,
    ].join("\n");
    await this.#run(
      "behind",
      ["behind.test", "s3tls.test"],
      [
        ...["-v", `${program}:/usr/local/bin/versitygw:ro`, "-v", `${this.#folder}:/tls:ro`, ...flags],
        ...["--user", "0", "--tmpfs", `/data:size=${this.#space}m`],
        ...["-e", `ROOT_ACCESS_KEY=${ACCESS_KEY}`, "-e", `ROOT_SECRET_KEY=${SECRET_KEY}`],
        ...["--entrypoint", "sh", this.#image, "-c", script],
      ],
    );
  }

  async #run(part: string, aliases: readonly string[], args: readonly string[]): Promise<void> {
    await docker(
      ...["run", "-d", "--init", "--name", `${this.#name}-${part}`, "--network", this.#name],
      ...aliases.flatMap((alias) => ["--network-alias", alias]),
      ...args,
    );
  }

  /** An authority and a certificate for the server, by openssl of the room's image. */
  #certify(): void {
    const script = `cd /tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=test authority" -keyout authority.key -out authority.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=s3tls.test" -keyout server.key -out server.csr
printf 'subjectAltName=DNS:s3tls.test' > ext
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -days 2 -extfile ext -out server.pem
chmod 644 *`;
    execFileSync("docker", [
      ...["run", "--rm", "--user", "0", "--network", "none", "-v", `${this.#folder}:/tls`],
      ...[this.#image, "sh", "-ec", script],
    ]);
  }

  /** The gate as the stack has it, for another endpoint than before. */
  openGate(endpoint: string): Promise<void> {
    const [image, inside, outside] = [this.#image, this.#inside, this.#name];
    return openGate({ image, name: `${outside}-gate`, inside, outside, folder: this.#folder }, endpoint);
  }

  gateLog(): Promise<string> {
    return docker("logs", `${this.#name}-gate`);
  }

  async setFault(fault: Fault): Promise<void> {
    await this.#ask(`/fault/${fault}`, "PUT");
  }

  /** Of the place where the faults are, for whoever does not ask by name. */
  address(): Promise<string> {
    return docker(
      ...["inspect", `${this.#name}-faults`, "--format"],
      "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
    );
  }

  /** How often the fault has struck. */
  async hits(): Promise<number> {
    return Number(await this.#ask("/hits", "GET"));
  }

  #ask(path: string, method: string): Promise<string> {
    const script = `import http.client; c = http.client.HTTPConnection("127.0.0.1:9000"); c.request("${method}", "${path}"); print(c.getresponse().read().decode())`;
    return docker("exec", `${this.#name}-faults`, "python3", "-c", script);
  }

  /** Runs a shell where the objects are files, in the bucket's folder. */
  inBucket(script: string): Promise<string> {
    return docker(
      "exec",
      "--user",
      "0",
      `${this.#name}-behind`,
      "sh",
      "-c",
      `cd /data/posix/${BUCKET}; ${script}`,
    );
  }

  async remove(): Promise<void> {
    const names = ["behind", "faults", "gate"].map((part) => `${this.#name}-${part}`);
    await run("docker", ["rm", "--force", "--volumes", ...names]);
    await docker("network", "rm", this.#name);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
