/** A server that talks as Redis does, and can fall silent. */
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** Speaks as much of Redis' protocol as a client needs to connect, and can hold its answers back. */
export class FakeRedis {
  connections = 0;
  /** What it answers to commands by their names, in the protocol but for the line end; OK to others. */
  readonly answers = new Map<string, string>([["HELLO", "%1\r\n$5\r\nproto\r\n:3"]]);
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #held: (() => void)[] | undefined;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
      socket.on("data", (bytes) => {
        for (const name of commandsOf(bytes.toString())) {
          const reply = `${this.answers.get(name) ?? "+OK"}\r\n`;
          this.#send(() => socket.write(reply));
        }
      });
    });
  }

  static async start(): Promise<FakeRedis> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new FakeRedis(server);
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Holds all answers back from now on; `release` sends them in order. */
  stall(): void {
    this.#held = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const send of held) send();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #send(write: () => void): void {
    if (this.#held) this.#held.push(write);
    else write();
  }
}

/** A command is `*<parts>`, and for each part `$<length>` and its text; no text here contains a line end. */
function commandsOf(text: string): string[] {
  return text
    .split(/^\*\d+\r\n/m)
    .slice(1)
    .map((command) => (command.split("\r\n")[1] ?? "").toUpperCase());
}
