/** A stack that is watched, with somebody who is told, and what its containers take. */
import { PARTS } from "../../infra/components/monitoring/plan.ts";
import { createCheckout, removeCheckout } from "../../test/support/checkout.ts";
import { startReceiver, type AlertReceiver } from "../../test/support/alert-receiver.ts";
import { createStack, docker, type TestStack } from "../../test/support/stack.ts";
import { setSecret } from "../../test/support/stack-secrets.ts";

/** All load comes from one address, so the limits for one address are higher than the load. */
export const limits = {
  ...{ edgeRequestRate: 100_000, edgeConnections: 10_000, requestsPerMinute: 1_000_000 },
  clientReportsPerMinute: 60_000,
};

export interface WatchedStack {
  readonly stack: TestStack;
  readonly receiver: AlertReceiver;
  remove(): Promise<void>;
}

export const watched = { monitoring: "always", alertReceivers: [{ kind: "webhook" }] } as const;

/** Tells the receiver's address to a stack that is not up yet. */
export const tellTo = (stack: TestStack, receiver: AlertReceiver): void =>
  setSecret(stack, "omniai:alertReceivers[0].secret", `${receiver.url}/hook`);

export async function createWatchedStack(
  name: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<WatchedStack> {
  const receiver = await startReceiver();
  const checkout = createCheckout();
  const stack = await createStack(checkout, { ...limits, ...watched, ...config }, name);
  const remove = async (): Promise<void> => {
    await stack.remove();
    removeCheckout(checkout);
    receiver.close();
  };
  tellTo(stack, receiver);
  const { code, output } = await stack.run("up", "--yes");
  if (code === 0) return { stack, receiver, remove };
  await remove();
  throw new Error(`up failed:\n${output}`);
}

export async function one(stack: TestStack, workload: string): Promise<string> {
  const [name] = await stack.containers(workload);
  if (name === undefined) throw new Error(`no ${workload} runs`);
  return name;
}

export async function addressOf(stack: TestStack): Promise<string> {
  const { NetworkSettings } = await docker.getContainer(await one(stack, "edge")).inspect();
  return `${NetworkSettings.Networks[`omniai-${stack.name}-public`]?.IPAddress ?? ""}:8080`;
}

/** What a container has taken: working memory in MiB, CPU since its start in seconds. */
export interface Taken {
  readonly memory: number;
  readonly cpu: number;
}

export const takenBy = async (stack: TestStack, workload: string): Promise<Taken> =>
  takenOf(await one(stack, workload));

export async function takenOf(container: string): Promise<Taken> {
  const stats = (await docker.getContainer(container).stats({ stream: false, "one-shot": true })) as {
    cpu_stats: { cpu_usage: { total_usage: number } };
    memory_stats: { usage: number; stats: { total_inactive_file?: number; inactive_file?: number } };
  };
  const { usage, stats: more } = stats.memory_stats;
  const inactive = more.total_inactive_file ?? more.inactive_file ?? 0;
  return { memory: (usage - inactive) / 2 ** 20, cpu: stats.cpu_stats.cpu_usage.total_usage / 1e9 };
}

/** How much each part of the monitoring takes while something goes on: memory at its end, and cores on the average. */
export async function takenDuring(
  stack: TestStack,
  act: () => Promise<unknown>,
): Promise<ReadonlyMap<string, { readonly memory: number; readonly cores: number }>> {
  const read = async (): Promise<Taken[]> => Promise.all(PARTS.map((workload) => takenBy(stack, workload)));
  const before = await read();
  const started = performance.now();
  await act();
  const seconds = (performance.now() - started) / 1000;
  const after = await read();
  return new Map(
    PARTS.map((part, at) => [
      part,
      {
        memory: after[at]?.memory ?? NaN,
        cores: ((after[at]?.cpu ?? NaN) - (before[at]?.cpu ?? NaN)) / seconds,
      },
    ]),
  );
}
