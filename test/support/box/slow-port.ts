/**
 * A port of this machine that leads to another one over a way that takes time, as to a machine far away: every piece
 * arrives so much later as it was told, in both directions. (A kernel's own delay, tc netem, is not in every kernel.)
 */
import { createServer, connect, type AddressInfo, type Socket } from "node:net";

export interface SlowPort {
  readonly port: number;
  /** For what is sent from now on, in ms each way: a round trip takes twice as long. */
  delay(milliseconds: number): void;
  /** Connections that went through so far. */
  readonly connections: number;
  close(): void;
}

/** What is under way in one direction at most, in bytes; a sender waits then. */
const WINDOW = 1024 * 1024;

/** @param target the port of this machine that it leads to. */
export async function openSlowPort(target: number): Promise<SlowPort> {
  let [delay, connections] = [0, 0];
  const open = new Set<Socket>();

  const carry = (from: Socket, to: Socket): void => {
    let underWay = 0;
    // A piece must not overtake one that was sent while the way took longer.
    let last = 0;
    const later = (work: () => void): void => {
      last = Math.max(last, performance.now() + delay);
      setTimeout(work, Math.max(0, last - performance.now()));
    };
    from.on("data", (piece: Buffer) => {
      underWay += piece.length;
      if (underWay > WINDOW) from.pause();
      later(() => {
        to.write(piece);
        underWay -= piece.length;
        if (underWay <= WINDOW) from.resume();
      });
    });
    from.on("end", () => later(() => to.end()));
    from.on("close", () => later(() => to.destroy()));
    from.on("error", () => undefined);
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    connections++;
    const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    }
    carry(near, far);
    carry(far, near);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    delay: (milliseconds) => void (delay = milliseconds),
    get connections() {
      return connections;
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
