/** Somebody who is told of alerts: a webhook that keeps what it gets, and hears the sign of life. */
import { strict as assert } from "node:assert";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { docker } from "./stack.ts";

/** What Alertmanager posts. */
export interface Message {
  /** When it came, in ms since 1970. */
  readonly at: number;
  readonly path: string;
  /** Whether it was taken: a receiver that fails is told again. */
  readonly taken: boolean;
  readonly alerts: readonly {
    readonly status: "firing" | "resolved";
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

export interface AlertReceiver {
  /** Its address as containers see it, without a path. */
  readonly url: string;
  readonly messages: Message[];
  /** How /hook answers from now on; the sign of life is always heard. */
  answer: number;
  /** When something came at a path last, in ms since 1970. */
  lastAt(path: string): number;
  /** The names of the alerts that came at /hook, in their order. */
  told(status: "firing" | "resolved", taken?: boolean): string[];
  close(): void;
}

/** True of this machine, and no fault of the stack: nothing keeps its clock, or its disk and memory are used by others. */
export const ofTheMachine = (name: string): boolean => /^(ClockWrong|Disk\w+|Host\w+)$/.test(name);

/** The address at which containers of a network reach this process. @param network default: the engine's own bridge */
export async function gatewayOf(network = "bridge"): Promise<string> {
  const bridge = (await docker.getNetwork(network).inspect()) as {
    IPAM: { Config: { Gateway?: string; Subnet?: string }[] };
  };
  // An engine that never had a container on its bridge names the subnet only, of which it takes the first address.
  const [{ Gateway, Subnet = "" } = {}] = bridge.IPAM.Config;
  const gateway = Gateway ?? Subnet.replace(/\.0\/\d+$/, ".1");
  assert.match(gateway, /^[\d.]+$/, JSON.stringify(bridge.IPAM));
  return gateway;
}

export async function startReceiver(): Promise<AlertReceiver> {
  const messages: Message[] = [];
  const last = new Map<string, number>();
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { alerts } = JSON.parse(Buffer.concat(parts).toString()) as Pick<Message, "alerts">;
      const path = request.url ?? "";
      const status = path === "/hook" ? receiver.answer : 200;
      messages.push({ at: Date.now(), alerts, path, taken: status === 200 });
      last.set(path, Date.now());
      response.writeHead(status).end();
    });
  });
  const gateway = await gatewayOf();
  await new Promise<void>((resolve) => server.listen(0, gateway, resolve));
  const receiver: AlertReceiver = {
    url: `http://${gateway}:${(server.address() as AddressInfo).port}`,
    messages,
    answer: 200,
    lastAt: (path) => last.get(path) ?? 0,
    told: (status, taken = true) =>
      messages
        .filter((message) => message.path === "/hook" && message.taken === taken)
        .flatMap(({ alerts }) => alerts)
        .filter((alert) => alert.status === status)
        .map(({ labels }) => labels["alertname"] ?? "")
        .filter((name) => !ofTheMachine(name)),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return receiver;
}
