/** A proxy that cuts connections in the middle of an answer. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A proxy to the service that cuts its connections in the middle of an answer when a test asks for it. */
export class CuttingProxy {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** How many bytes still go to clients before the cut; undefined for no limit. */
  #left: number | undefined;
  cuts = 0;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (client) => this.#pass(client, connect(target, "127.0.0.1")));
  }

  static async start(target: number): Promise<CuttingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new CuttingProxy(server, target);
  }

  /** Cuts after this many more bytes. An odd number most likely cuts within an event. */
  cutAfter(bytes: number): void {
    this.#left = bytes;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(client: Socket, service: Socket): void {
    for (const [one, other] of [
      [client, service],
      [service, client],
    ] as const) {
      this.#sockets.add(one);
      one.on("error", () => undefined);
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    client.on("data", (chunk) => service.write(chunk));
    service.on("data", (chunk: Buffer) => {
      if (this.#left === undefined || chunk.length < this.#left) {
        if (this.#left !== undefined) this.#left -= chunk.length;
        return void client.write(chunk);
      }
      const part = chunk.subarray(0, this.#left);
      this.#left = undefined;
      this.cuts++;
      service.destroy();
      // The bytes that were sent have to arrive: a cut that loses them would test less.
      client.write(part, () => client.resetAndDestroy());
    });
  }
}
