/** The service within the test's process. */
import { loadConfig } from "../../src/platform/env/config.ts";
import { withDeadline } from "../../src/platform/deadline.ts";
import { PATIENCE_MS as LIMIT_PATIENCE_MS } from "../../src/platform/impatient-redis.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { startService, type Service, type ServiceOptions } from "../../src/service.ts";
import { testServers } from "./servers.ts";
import { eventually, measured, PATIENCE_MS, promised, whileItHolds } from "./wait.ts";

export { eventually, measured, promised, whileItHolds };

export interface Instance extends Service {
  readonly url: string;
  readonly internalUrl: string;
}

/** Short times, so that tests need not wait. Each test sets the values that it is about. */
const quick = {
  OMNIAI_PORT: "0",
  OMNIAI_INTERNAL_PORT: "0",
  OMNIAI_LOG_LEVEL: process.env.OMNIAI_TEST_LOG_LEVEL ?? "silent",
  OMNIAI_SWITCH_SECONDS: "0",
  OMNIAI_DRAIN_SECONDS: "0.1",
  OMNIAI_STOP_MARGIN_SECONDS: "2",
  OMNIAI_HEARTBEAT_SECONDS: "0.5",
  OMNIAI_READ_BLOCK_SECONDS: "0.5",
  OMNIAI_CHECK_INTERVAL_SECONDS: "0.3",
  // What a test is not about: a slow disk takes longer than the service lets publishers wait.
  OMNIAI_APPEND_DEADLINE_SECONDS: "10",
};

/** For tests of how long publishers wait at most: the service's own limit. */
export const ownAppendDeadline = { OMNIAI_APPEND_DEADLINE_SECONDS: "" };

export async function testEnvironment(extra: Record<string, string> = {}): Promise<Record<string, string>> {
  return { ...quick, ...(await testServers()).environment, ...extra };
}

/**
 * The service within the test's process, on ports of its own.
 * @param waits false if a test is about the time before the service is ready; its public port is then open at once.
 */
export async function startInstance(
  extra: Record<string, string> = {},
  { waits = true, ...options }: ServiceOptions & { readonly waits?: boolean } = {},
): Promise<Instance> {
  const config = {
    ...loadConfig(await testEnvironment(extra)),
    replica: `test-${Math.random().toString(36).slice(2, 8)}`,
  };
  const logger = createLogger({ level: config.logLevel, replica: config.replica, build: config.build });
  const service = await startService(config, logger, { opensAtOnce: !waits, ...options });
  if (waits) await withDeadline("the public port", PATIENCE_MS, service.opened);
  return {
    ...service,
    url: `http://127.0.0.1:${service.port}`,
    internalUrl: `http://127.0.0.1:${service.internalPort}`,
  };
}

/**
 * For what Redis counts, of all replicas together: where it is late, as on a busy machine, each process counts alone for a
 * moment, from what it knows itself.
 * @param attempt with clients that no attempt before has used.
 */
export const whileLimitsAreShared = <T>(attempt: () => Promise<T>): Promise<T> =>
  whileItHolds(LIMIT_PATIENCE_MS, attempt);

export interface Posted {
  readonly status: number;
  readonly id: string;
  readonly retryAfter: string | null;
  readonly ms: number;
}

export async function post(
  instance: { url: string },
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Posted> {
  const started = performance.now();
  const response = await fetch(`${instance.url}/api/events`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const { id = "" } = (await response.json()) as { id?: string };
  return {
    status: response.status,
    id,
    retryAfter: response.headers.get("retry-after"),
    ms: performance.now() - started,
  };
}

export async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.status;
}
