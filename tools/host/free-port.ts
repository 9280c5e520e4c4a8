/** A port for what is started next. */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** Ports that few programs have for their own begin here. */
const FIRST = 20_000;
/** The first port that Linux gives to outgoing connections and to whoever asks for any, where it does not say (ip(7)). */
const FIRST_EPHEMERAL = 32_768;
const TRIES = 100;

/** What this process was given. It takes them later, and until then each looks free. */
const given = new Set<number>();

/**
 * A port that is free on the loopback now, and that the kernel gives to nobody of its own accord: neither before it is taken
 * nor while its server restarts. A client that keeps on trying a server that is away could even be connected to itself. A
 * process gets each port once.
 * @throws Error where none is left.
 */
export async function freePort(): Promise<number> {
  const end = firstEphemeral();
  for (let tries = 0; tries < TRIES && end > FIRST; tries++) {
    const port = await give(randomInt(FIRST, end));
    if (port !== undefined) return port;
  }
  for (let tries = 0; tries < TRIES; tries++) {
    const port = await listenOnce(0);
    if (port !== undefined && !given.has(port)) {
      given.add(port);
      return port;
    }
  }
  throw new Error("no port is free on 127.0.0.1");
}

/** @returns the port; undefined where it is taken or given already. */
async function give(port: number): Promise<number | undefined> {
  if (given.has(port)) return undefined;
  // Before it is looked at, or who asks meanwhile could get it too.
  given.add(port);
  if ((await listenOnce(port)) === port) return port;
  given.delete(port);
  return undefined;
}

function firstEphemeral(): number {
  try {
    const [first] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/);
    return Number(first) || FIRST_EPHEMERAL;
  } catch {
    return FIRST_EPHEMERAL;
  }
}

/** @returns the port; undefined where it is taken. */
const listenOnce = (port: number): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(undefined) : reject(error),
    );
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : undefined));
    });
  });
