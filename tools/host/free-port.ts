/** A port for what is started next. */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** Ports that few programs have for their own begin here. */
const FIRST = 20_000;
/** The first port that Linux gives to outgoing connections and to whoever asks for any, where it does not say (ip(7)). */
const FIRST_EPHEMERAL = 32_768;
const TRIES = 100;

/**
 * A port that is free on the loopback now, and that the kernel gives to nobody of its own accord: neither before it is taken
 * nor while its server restarts. A client that keeps on trying a server that is away could even be connected to itself.
 */
export async function freePort(): Promise<number> {
  const end = firstEphemeral();
  for (let tries = 0; tries < TRIES && end > FIRST; tries++) {
    const port = randomInt(FIRST, end);
    if ((await listenOnce(port)) === port) return port;
  }
  const port = await listenOnce(0);
  if (port === undefined) throw new Error("no port is free on 127.0.0.1");
  return port;
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
