/** The connection to a Docker engine, by its address alone: DOCKER_HOST of this process does not count. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Docker from "dockerode";
import { AwayError, exit, OpsError } from "../terminal/errors.ts";

/**
 * Pure but for the certificates: an address as DOCKER_HOST writes it, as the client's options. One that begins with ssh://
 * is reached by a tunnel (ssh/tunnel.ts), whose own address belongs here. @throws OpsError
 */
export function connectionOptions(address: string, env: NodeJS.ProcessEnv): Docker.DockerOptions {
  // The client reads DOCKER_HOST for what is not said: a host from there would win over our socket.
  if (address.startsWith("unix://")) return { host: undefined, socketPath: address.slice("unix://".length) };
  if (address.startsWith("npipe://"))
    return { host: undefined, socketPath: address.slice("npipe:".length).replaceAll("/", "\\") };
  const url = address.includes("//") ? address : `tcp://${address}`;
  if (!URL.canParse(url)) {
    throw new OpsError(
      `"${address}" is not the address of a Docker engine.`,
      "Write it like unix:///var/run/docker.sock, ssh://user@host or tcp://host:2376, in omniai:dockerHost or DOCKER_HOST.",
      exit.usage,
    );
  }
  const { protocol, hostname: host, port } = new URL(url);
  if (protocol === "ssh:") throw new Error(`${address} is reached by a tunnel`);
  const folder = env["DOCKER_CERT_PATH"];
  const file = (name: string): Buffer => readFileSync(join(folder ?? "", name));
  return {
    protocol: env["DOCKER_TLS_VERIFY"] === "1" || port === "2376" ? "https" : "http",
    host,
    port,
    ...(folder ? { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") } : {}),
  };
}

/** A connection to the engine at an address as DOCKER_HOST writes it. */
export const connect = (address: string, env: NodeJS.ProcessEnv = process.env): Docker =>
  new Docker(connectionOptions(address, env));

/**
 * Asks the engine whether it is there.
 * @param complaint what the way to it says, where it is not this machine's. @throws OpsError
 */
export async function checkEngine(docker: Docker, address: string, complaint?: () => string): Promise<void> {
  try {
    await docker.ping();
  } catch (error) {
    const why = complaint?.() || (error as Error).message;
    const Kind = complaint === undefined ? AwayError : OpsError;
    throw new Kind(
      `The Docker engine at ${address} does not answer: ${why}`,
      complaint === undefined
        ? "Start it (Docker Desktop, or `systemctl start docker`), or run `npm run up`, which starts one where it may. `npm run doctor` says more."
        : "SSH works. Start the engine there (`systemctl start docker`), or let this user use it (`usermod -aG docker USER`); a machine without an engine is prepared by `npm run host`.",
      exit.failed,
      { cause: error },
    );
  }
}

/** Resolves to undefined when the object went away in the meantime. */
export async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  }
}
