/** A real nginx with the edge's configuration, in front of small servers of the test's own. */
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EDGE_SCRIPT, HANDOVER_FOLDER } from "../../infra/components/edge/acme.ts";
import { createCertificate } from "../../infra/components/edge/certificate.ts";
import { keepAliveLadder } from "../../infra/components/edge/ladder.ts";
import { limitScript, memoryForReplicas } from "../../infra/components/edge/memory.ts";
import { HTTP_PORT, HTTPS_PORT, renderNginx, type EdgeConfig } from "../../infra/components/edge/nginx.ts";
import { EDGE_FOLDER, PAGE_FOLDER, PLAIN_SCRIPT } from "../../infra/components/edge/switch.ts";
import { accessSubnets } from "../../infra/components/network/subnet.ts";
import { readSettings } from "../../ops/stack/settings.ts";
import { eventually } from "./http.ts";
import { freePort } from "../../tools/host/free-port.ts";

const REPOSITORY = join(import.meta.dirname, "../..");

export interface TestEdge {
  readonly http: string;
  readonly https: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** The network that it shares with the first replica. */
  readonly network: string;
  /** The folder that the edge uses as its volume. */
  readonly folder: string;
  readonly container: string;
  /** Runs a shell script within its container. @returns what it prints */
  exec(script: string): string;
  /** Renders the configuration anew with these changes, and loads it. */
  configure(changes?: Partial<EdgeConfig>): Promise<void>;
  /** The lines of the access log so far. */
  log(): Record<string, unknown>[];
  /** What nginx has said of itself so far. */
  errors(): string;
  remove(): void;
}

/** What it serves at `/` when it is given a policy for a page. */
export const testPage = {
  "index.html": "<!doctype html><title>page</title>",
  "js/a.js": "export {};",
} as const;

/** Limits that no test reaches by accident. A test lowers the ones that it is about. */
const wide = { connections: 5000, requestRate: 5000, streams: 5000, streamRate: 1000 };

const docker = (...args: string[]): string =>
  execFileSync("docker", args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    // A log of thousands of requests.
    maxBuffer: 2 ** 26,
  }).trim();

/**
 * Starts one replica for each of the handlers. All use the same port, and each has an address of its own, because the
 * engine gives the host one address in every network.
 * @param handover the volume from which it takes an authority's certificates, which the caller makes and removes; default:
 * it serves the generated one.
 * @param options.ipv6 whether it has an IPv6 address as well, on its first network.
 * @param options.memory its limit in MiB; default: room for the streams of two replicas.
 */
export async function startEdge(
  handlers: readonly RequestListener[],
  handover?: string,
  { ipv6 = false, memory = memoryForReplicas(2) }: { readonly ipv6?: boolean; readonly memory?: number } = {},
): Promise<TestEdge> {
  const name = `omniai-edge-test-${randomBytes(4).toString("hex")}`;
  const folder = mkdtempSync(join(tmpdir(), "omniai-edge-"));
  // With an authority's certificates the edge writes there, as another user than the test.
  chmodSync(folder, handover === undefined ? 0o755 : 0o777);
  const networks = handlers.map((_, index) => `${name}-${index}`);
  const servers: Server[] = [];
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const remove = (): void => {
    servers.forEach((server) => (server.closeAllConnections(), server.close()));
    for (const args of [["rm", "-f", "-v", name], ...networks.map((network) => ["network", "rm", network])]) {
      try {
        docker(...args);
      } catch {
        // It was never created.
      }
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const addresses = networks.map((network, index) => {
      const subnets = ipv6 && index === 0 ? accessSubnets(name) : [];
      const flags = subnets.flatMap(({ subnet, gateway }) => ["--subnet", subnet, "--gateway", gateway]);
      docker("network", "create", ...(subnets.length > 0 ? ["--ipv6"] : []), ...flags, network);
      return docker("network", "inspect", network, "--format", "{{(index .IPAM.Config 0).Gateway}}");
    });
    let upstreamPort = 0;
    for (const [index, handler] of handlers.entries()) {
      const server = createServer(handler);
      servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.on("error", reject).listen(upstreamPort, addresses[index], resolve);
      });
      upstreamPort = (server.address() as AddressInfo).port;
    }
    const pair = await createCertificate(["localhost", "127.0.0.1"]);
    let serial = 0;
    let current = "{}";
    const write = (changes: Partial<EdgeConfig>): string => {
      const release = `r${++serial}`;
      const target = join(folder, "releases", release);
      mkdirSync(join(target, "tls"), { recursive: true });
      if (handover !== undefined) chmodSync(target, 0o777);
      writeFileSync(join(target, "tls/certificate.pem"), pair.certificate);
      writeFileSync(join(target, "tls/key.pem"), pair.key);
      writeFileSync(
        join(target, "nginx.conf"),
        renderNginx({
          // An address serves as the name too, so no DNS other than the engine's is asked.
          upstreams: addresses.map((address) => ({ name: address, address })),
          upstreamPort,
          keepAlive: keepAliveLadder(10),
          // The replicas are in the test's own process: one that is well may be as late as a busy machine.
          responseSeconds: 5,
          tls: true,
          corsOrigins: [],
          resourcePolicy: "cross-origin",
          hosts: [],
          limits: wide,
          ipv6,
          memory,
          acme: handover === undefined ? undefined : { httpsPort },
          ...changes,
          release,
        }),
      );
      if (changes.pagePolicy !== undefined) {
        mkdirSync(join(target, PAGE_FOLDER, "js"), { recursive: true });
        for (const [path, content] of Object.entries(testPage))
          writeFileSync(join(target, PAGE_FOLDER, path), content);
      }
      symlinkSync(`releases/${release}`, join(folder, "next"));
      renameSync(join(folder, "next"), join(folder, "current"));
      return release;
    };
    const loaded = (release: string) =>
      eventually(`release ${release}`, 50, () => {
        // Several answers have to come from new workers, because an old worker accepts connections a moment longer.
        const ask = "for n in 1 2 3 4 5 6 7 8; do curl -fsS http://127.0.0.1:8081/release; done | sort -u";
        return docker("exec", name, "sh", "-c", ask) === release;
      });
    const first = write({});
    const image = readSettings(REPOSITORY, "dev").config.nginxImage ?? "";
    docker(
      ...["run", "-d", "--name", name, "--network", networks[0] ?? "", "--user", "101:101"],
      ...["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
      ...["--memory", `${memory}m`, "--memory-swap", `${memory}m`],
      // As engines of today start a process: few open files, unless it asks for more.
      ...["--ulimit", "nofile=1024:16384"],
      ...["--tmpfs", "/tmp", "-v", `${folder}:${EDGE_FOLDER}${handover === undefined ? ":ro" : ""}`],
      ...(handover === undefined ? [] : ["--init", "-v", `${handover}:${HANDOVER_FOLDER}:ro`]),
      ...["-p", `127.0.0.1:${httpPort}:${HTTP_PORT}`, "-p", `127.0.0.1:${httpsPort}:${HTTPS_PORT}`],
      ...["--entrypoint", "sh", image, "-c"],
      `${limitScript(memory)}${handover === undefined ? PLAIN_SCRIPT : EDGE_SCRIPT}`,
    );
    for (const network of networks.slice(1)) docker("network", "connect", network, name);
    await loaded(first);
    return {
      http: `http://127.0.0.1:${httpPort}`,
      https: `https://127.0.0.1:${httpsPort}`,
      httpPort,
      httpsPort,
      network: networks[0] ?? "",
      folder,
      container: name,
      exec: (script) => docker("exec", name, "sh", "-c", script),
      configure: async (changes = {}) => {
        if (JSON.stringify(changes) === current) return;
        current = JSON.stringify(changes);
        const release = write(changes);
        const conf = `${EDGE_FOLDER}/current/nginx.conf`;
        docker("exec", name, "nginx", "-t", "-q", "-c", conf);
        docker("exec", name, "sh", "-c", "kill -HUP $(cat /tmp/nginx.pid)");
        await loaded(release);
      },
      log: () =>
        docker("logs", name)
          .split("\n")
          .filter((line) => line.startsWith("{"))
          .map((line) => JSON.parse(line) as Record<string, unknown>),
      errors: () => spawnSync("docker", ["logs", name], { encoding: "utf8", maxBuffer: 2 ** 26 }).stderr,
      remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}
