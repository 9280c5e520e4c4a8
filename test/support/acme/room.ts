/** The room for certificates, as a stack runs it, for an edge of a test. */
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import {
  CLOUDFLARE_FILE,
  cloudflareFile,
  planEnvironment,
} from "../../../infra/components/certificates/certificates.ts";
import { owners } from "../../../infra/components/certificates/copy-volume.ts";
import { buildArgs, CONTEXT, imageOf, ROOM_PROGRAM } from "../../../infra/components/certificates/image.ts";
import { HTTPS_PORT } from "../../../infra/components/edge/nginx.ts";
import type { AcmeState } from "../../../ops/engine/acme.ts";
import { readSettings } from "../../../ops/stack/settings.ts";
import { resolveDockerHost } from "../../../tools/find/engine/index.ts";
import { ensureImages } from "../../../tools/find/images/index.ts";
import { createContext } from "../../../tools/find/index.ts";
import { eventually } from "../http.ts";

const run = promisify(execFile);
const REPOSITORY = join(import.meta.dirname, "../../..");

export const docker = async (...args: string[]): Promise<string> => {
  const { stdout, stderr } = await run("docker", args, { maxBuffer: 2 ** 24 });
  return (args[0] === "logs" ? `${stdout}${stderr}` : stdout).trim();
};

/** Builds the room's image, on certbot's or its stand-in. @returns its name */
export async function roomImage(): Promise<string> {
  const context = createContext();
  const certbot = readSettings(REPOSITORY, "dev").config.certbotImage ?? "";
  await ensureImages(context, [certbot], await resolveDockerHost(context.env));
  const name = imageOf(certbot);
  const args = Object.entries(buildArgs(certbot)).flatMap(([key, value]) => [
    "--build-arg",
    `${key}=${value}`,
  ]);
  await docker("build", "-q", "-t", name, ...args, CONTEXT);
  return name;
}

export interface RoomArgs {
  readonly image: string;
  readonly hosts: readonly string[];
  readonly directory: string;
  /** In PEM. */
  readonly authority: string;
  /** The edge's container, and the network that it is on. */
  readonly edge: string;
  readonly network: string;
  /** The volume that the edge reads. */
  readonly handover: string;
  /** For DNS-01: the token, and where Cloudflare's API is. Default: HTTP-01. */
  readonly cloudflare?: { readonly token: string; readonly url: string };
}

export class Room {
  readonly name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "omniai-acme-"));
  readonly #args: RoomArgs;
  /** What it keeps: the account and the certificates, and the copy of them for the backup room. */
  readonly #volumes: { readonly certificates: string; readonly copy: string };

  private constructor(args: RoomArgs) {
    this.#args = args;
    this.name = `${args.edge}-room`;
    this.#volumes = { certificates: `${args.edge}-certificates`, copy: `${args.edge}-copy` };
  }

  /** @param args.hosts of the certificate. A first wait after a failure is a second here instead of five minutes. */
  static async start(args: RoomArgs): Promise<Room> {
    const room = new Room(args);
    writeFileSync(join(room.#folder, "authority.pem"), args.authority);
    if (args.cloudflare) room.setToken(args.cloudflare.token);
    // The room is another user than the test.
    chmodSync(room.#folder, 0o755);
    await room.#run();
    return room;
  }

  /** On a host that has nothing of it but the copy, which was brought back. */
  async rebuild(): Promise<void> {
    await docker("rm", "-f", "-v", this.name);
    await docker("volume", "rm", this.#volumes.certificates);
    await docker(
      ...["run", "--rm", "--network", "none", "--user", "0:0", "-v", `${this.#args.handover}:/handover`],
      ...["--entrypoint", "sh", this.#args.image, "-c", "rm -rf /handover/*"],
    );
    await this.#run();
  }

  async #run(): Promise<void> {
    const { image, hosts, directory, authority, edge, network, handover, cloudflare } = this.#args;
    const environment = {
      ...planEnvironment({
        ...{ hosts, directory, authority, email: "", copied: true },
        cloudflareToken: cloudflare && pulumi.output(cloudflare.token),
      }),
      // How Cloudflare's own libraries for Python, versions 2 and 4, are told of another address.
      ...(cloudflare ? { CLOUDFLARE_API_URL: cloudflare.url, CLOUDFLARE_BASE_URL: cloudflare.url } : {}),
      OMNIAI_EDGE: `${edge}:${HTTPS_PORT}`,
      OMNIAI_ACME_RETRY_SECONDS: "1",
    };
    await docker(
      ...[
        "run",
        "-d",
        "--name",
        this.name,
        "--network",
        network,
        "--init",
        "--read-only",
        "--user",
        `${owners.uid}:${owners.gid}`,
      ],
      ...[
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--memory",
        "160m",
        "--pids-limit",
        "64",
      ],
      ...["--tmpfs", "/run/room:size=8m,mode=0700,uid=101,gid=101", "--tmpfs", "/tmp:size=8m,mode=1777"],
      ...["-v", `${this.#volumes.certificates}:/certificates`, "-v", `${handover}:/handover`],
      ...["-v", `${this.#volumes.copy}:/copy`, "-v", `${this.#folder}:/run/secrets:ro`],
      ...Object.entries(environment).flatMap(([key, value]) => ["-e", `${key}=${value}`]),
      ...[image, ...ROOM_PROGRAM, "serve"],
    );
  }

  /** Another token from the next run of certbot on. */
  setToken(token: string): void {
    writeFileSync(join(this.#folder, CLOUDFLARE_FILE), cloudflareFile(token));
  }

  async state(): Promise<AcmeState> {
    return JSON.parse(await this.exec(...ROOM_PROGRAM, "status")) as AcmeState;
  }

  exec(...command: string[]): Promise<string> {
    return docker("exec", this.name, ...command);
  }

  /** What Prometheus reads, by name. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const ask =
      "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9471/metrics').read().decode())";
    const text = await this.exec("python3", "-c", ask);
    return new Map(
      [...text.matchAll(/^(omniai_\w+) (\d+)$/gm)].map(([, name = "", value]) => [name, Number(value)]),
    );
  }

  /** Has certbot run now, as an operator does. */
  async signal(): Promise<void> {
    await docker("kill", "-s", "USR1", this.name);
  }

  /** How often the room told that it did. */
  async answers(): Promise<number> {
    return (await docker("logs", this.name)).split("as an operator asked").length - 1;
  }

  /** Has certbot run, and waits for its end. A run that had begun before is no answer. */
  async ask(): Promise<void> {
    const before = await this.answers();
    await this.signal();
    await eventually("an answer of the room", 120, async () => (await this.answers()) > before);
  }

  /** The certificate that the edge is to serve, in PEM. */
  certificate(): Promise<string> {
    return this.exec("cat", "/handover/current/fullchain.pem");
  }

  async remove(): Promise<void> {
    await docker("rm", "-f", "-v", this.name);
    await docker("volume", "rm", "-f", ...Object.values(this.#volumes));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
