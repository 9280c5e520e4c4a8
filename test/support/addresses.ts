/** Where others reach this machine. */
import { networkInterfaces } from "node:os";

/** An address of this machine that containers reach as well. */
export const reachableAddress = (): string =>
  Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
