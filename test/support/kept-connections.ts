/**
 * The kept connections of a client that abides by HTTP: the side that sends requests closes first (infra/components/edge/ladder.ts).
 * A request on a connection that its server is just closing is lost, and nobody may send a POST again.
 */
import { Agent, type AgentOptions } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

export interface KeptConnections {
  readonly agent: Agent;
  /** Lets go of those that were idle for too long. To be called before a request: timers are late where a thread is busy. */
  readonly closeOld: () => void;
}

/**
 * How long a connection of a server that tells nothing may be idle, in milliseconds. It has to be another time than that of a
 * request: Node takes a request whose time is the agent's for one that has none of its own.
 */
const IDLE_MS = 60_000;

/** @param most how many connections at the same time. The certificate of a server is not checked. */
export function keepConnections(secure: boolean, most: number): KeptConnections {
  // Without a time of its own, Node's agent ignores the one that a server tells (Keep-Alive: timeout), of which it takes a second off.
  const options: AgentOptions = { keepAlive: true, maxSockets: most, timeout: IDLE_MS };
  const agent = secure ? new HttpsAgent({ ...options, rejectUnauthorized: false }) : new Agent(options);
  const idleSince = new WeakMap<Duplex, number>();
  const keep = agent.keepSocketAlive.bind(agent);
  agent.keepSocketAlive = (socket) => {
    idleSince.set(socket, performance.now());
    return keep(socket);
  };
  const reuse = agent.reuseSocket.bind(agent);
  agent.reuseSocket = (socket, request) => {
    // Or the time for being idle would go on, and end a request that takes longer.
    (socket as Socket).setTimeout(0);
    reuse(socket, request);
  };
  return {
    agent,
    closeOld() {
      const now = performance.now();
      const isOld = (socket: Socket): boolean =>
        now - (idleSince.get(socket) ?? now) >= (socket.timeout ?? IDLE_MS);
      for (const free of Object.values(agent.freeSockets)) {
        for (const socket of free?.filter(isOld) ?? []) {
          // The agent would hand out one that is being closed.
          free?.splice(free.indexOf(socket), 1);
          socket.destroy();
        }
      }
    },
  };
}
