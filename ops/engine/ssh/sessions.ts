/**
 * A socket on this machine whose every connection is a `docker system dial-stdio` on the host: the docker CLI's own way,
 * for hosts that refuse to forward a socket, and for keys that are bound to a command.
 */
import type { ChildProcess } from "node:child_process";
import { createServer, type Server, type Socket } from "node:net";

/** An SSH connection that runs commands on the host. */
export interface Carrier {
  readonly isOpen: boolean;
  session(command: string): ChildProcess;
  close(): void;
}

export interface SessionLimits {
  /** How many connections at most. */
  readonly connections: number;
  /** How many commands each of them runs at once. */
  readonly sessions: number;
}

/** sshd lets one connection run ten commands (MaxSessions): one is our own, one is left for a look at the disk. */
export const sharedLimits: SessionLimits = { connections: 3, sessions: 8 };

interface Load {
  readonly carrier: Carrier;
  sessions: number;
}

export class SessionSocket {
  readonly #open: () => Promise<Carrier>;
  readonly #command: string;
  readonly #limits: SessionLimits;
  readonly #server: Server;
  readonly #waiting: Socket[] = [];
  #loads: Load[] = [];
  #opening = false;
  #complaint = "";

  /** @param carriers those that are open already @param open opens one more */
  constructor(
    carriers: readonly Carrier[],
    open: () => Promise<Carrier>,
    command: string,
    limits: SessionLimits = sharedLimits,
  ) {
    this.#loads = carriers.map((carrier) => ({ carrier, sessions: 0 }));
    this.#open = open;
    this.#command = command;
    this.#limits = limits;
    // Both ends of a connection close on their own: an attached input has its end before the output has.
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      socket.on("error", () => socket.destroy());
      this.#waiting.push(socket);
      this.#serve();
    });
  }

  /** What went wrong last on the way to the engine, in the words of who refused it. */
  get complaint(): string {
    return this.#complaint;
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, resolve);
    });
  }

  close(): void {
    this.#server.close();
    for (const { carrier } of this.#loads) carrier.close();
  }

  #serve(): void {
    this.#loads = this.#loads.filter(({ carrier }) => carrier.isOpen);
    while (this.#waiting.length > 0) {
      const free = this.#loads.find(({ sessions }) => sessions < this.#limits.sessions);
      if (free === undefined) {
        this.#openOneMore();
        return;
      }
      const socket = this.#waiting.shift();
      if (socket !== undefined && !socket.destroyed) this.#join(socket, free);
    }
  }

  #openOneMore(): void {
    // Where there may be no more, whoever waits is served when a session ends.
    if (this.#opening || this.#loads.length >= this.#limits.connections) return;
    this.#opening = true;
    void this.#open()
      .then(
        (carrier) => void this.#loads.push({ carrier, sessions: 0 }),
        (error: unknown) => {
          this.#complaint = (error as Error).message;
          if (this.#loads.length === 0) for (const socket of this.#waiting.splice(0)) socket.destroy();
        },
      )
      .finally(() => {
        this.#opening = false;
        if (this.#loads.length > 0) this.#serve();
      });
  }

  #join(socket: Socket, load: Load): void {
    const child = load.carrier.session(this.#command);
    load.sessions++;
    child.stdin?.on("error", () => undefined);
    if (child.stdin) socket.pipe(child.stdin);
    // Ended when the reason for an early end is known.
    child.stdout?.pipe(socket, { end: false });
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-1000)));
    socket.on("close", () => child.kill("SIGTERM"));
    let over = false;
    const end = (code: number | null): void => {
      if (over) return;
      over = true;
      if (code !== 0 && said.trim() !== "") this.#complaint = said.trim();
      socket.end();
      load.sessions--;
      this.#serve();
    };
    child.on("error", () => end(1));
    child.on("close", end);
  }
}
