/** PGlite behind a port, so that the service reaches it as it reaches PostgreSQL. */
import { PGlite } from "@electric-sql/pglite";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { PostgresConfig } from "../src/platform/env/config.ts";
import { transactionAfter, UnitReader, type Unit } from "./postgres-wire.ts";

const rollback = new Uint8Array(Buffer.from("Q\0\0\0\rROLLBACK\0"));
/** How many connections there may be; each is only a socket here. */
const MAX_CONNECTIONS = 20;

/**
 * PostgreSQL in this process (PGlite), on a port of 127.0.0.1, for the driver that the service uses anyway.
 *
 * All connections share one backend. Messages that belong together run together: a unit up to its Sync, and a transaction
 * up to its end, while the other connections wait. Everything else that a session keeps (SET, named statements, session
 * locks) is shared, and limits on time are not enforced. That is good enough to try things out, but not to serve anybody.
 * PGlite's own socket server mixes the messages of several connections within a query. When it allows only one connection,
 * it refuses the pool's next one while the last is closing.
 */
export class PostgresServer {
  readonly config: PostgresConfig;
  readonly #database: PGlite;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: { readonly socket: Socket; readonly run: () => Promise<void> }[] = [];
  #owner: Socket | undefined;
  #working: Promise<void> | undefined;

  private constructor(database: PGlite, server: Server) {
    this.#database = database;
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.config = {
      host: "127.0.0.1",
      port,
      user: "postgres",
      database: "postgres",
      password: undefined,
      poolMax: 5,
      sslMode: "disable",
    };
    server.on("connection", (socket) => this.#accept(socket));
  }

  /** @param folder its data; made when it is not there. @throws what PGlite says about a folder that it cannot use. */
  static async start(folder: string): Promise<PostgresServer> {
    const database = await PGlite.create(folder);
    const server = createServer({ noDelay: true });
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return new PostgresServer(database, server);
  }

  /** Lets what runs finish, and closes the data properly. */
  async stop(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await this.#working;
    await this.#database.close();
  }

  #accept(socket: Socket): void {
    const reader = new UnitReader();
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#enqueue(socket, () => this.#release(socket));
    });
    socket.on("data", (chunk) => {
      try {
        for (const unit of reader.push(chunk)) this.#take(socket, unit);
      } catch {
        socket.destroy();
      }
    });
  }

  #take(socket: Socket, unit: Unit): void {
    if (unit.kind === "encryption") socket.write("N");
    else if (unit.kind === "work") this.#enqueue(socket, () => this.#execute(socket, unit.bytes));
    else socket.end();
  }

  #enqueue(socket: Socket, run: () => Promise<void>): void {
    this.#waiting.push({ socket, run });
    this.#working ??= this.#work().finally(() => (this.#working = undefined));
  }

  async #work(): Promise<void> {
    for (;;) {
      // Only the owner of an open transaction may go on.
      const index = this.#owner ? this.#waiting.findIndex(({ socket }) => socket === this.#owner) : 0;
      const [next] = index < 0 ? [] : this.#waiting.splice(index, 1);
      if (!next) return;
      await next.run().catch(() => next.socket.destroy());
    }
  }

  async #execute(socket: Socket, bytes: Uint8Array): Promise<void> {
    if (socket.destroyed) return;
    const answer = await this.#database.execProtocolRaw(bytes);
    const isOpen = transactionAfter(answer);
    if (isOpen !== undefined) this.#owner = isOpen ? socket : undefined;
    if (!socket.destroyed) socket.write(answer);
  }

  async #release(socket: Socket): Promise<void> {
    if (this.#owner !== socket) return;
    this.#owner = undefined;
    await this.#database.execProtocolRaw(rollback);
  }
}
