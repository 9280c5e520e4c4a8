/**
 * A container as facts, once as it was declared (the inputs of docker.Container) and once as the engine has it, in the
 * same words. The provider reads back only a part of a container: env, labels, mounts and health checks it takes for
 * given, and it has no property for the pids limit. Two records of facts can be compared without it.
 */
import type { ContainerInspectInfo } from "dockerode";

/** By name; a value is JSON in a stable order. An absent fact is one that nobody declared. */
export type Facts = Readonly<Record<string, string>>;

/** The part of an image that its containers inherit. */
export interface ImageDefaults {
  readonly Env?: readonly string[] | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly StopSignal?: string;
}

type Json = Readonly<Record<string, unknown>>;
const record = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const texts = (value: unknown): string[] => list(value).map(String);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const sorted = (values: readonly string[]): string[] => [...values].sort();
const byKey = (value: Json): Json =>
  Object.fromEntries(Object.entries(value).sort(([left], [right]) => left.localeCompare(right)));

/** Drops what is undefined, and writes the rest as text. */
function written(facts: Json): Facts {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    known.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

/** Pairs of a list such as ["A=1"], each as a fact of its own. */
const pairs = (kind: string, values: Json): Json =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${kind} ${key}`, String(value)]));
const fromEnv = (env: readonly string[]): Json =>
  Object.fromEntries(
    env.map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)] as const),
  );

/** Docker writes capabilities with and without their prefix. */
const capabilities = (names: unknown): string[] =>
  sorted(texts(names).map((name) => name.toUpperCase().replace(/^CAP_/, "")));

/** "1m30s" in seconds, as the provider takes durations. */
export function seconds(text: string): number {
  const units: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 };
  const parts = [...text.matchAll(/([\d.]+)(ms|h|m|s)/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ""] ?? 0), 0);
}

const MIB = 1024 * 1024;
const mount = (source: unknown, target: unknown, readOnly: unknown): string =>
  `${String(source)} on ${String(target)}${readOnly === true ? " (read-only)" : ""}`;

/**
 * Pure: what was declared.
 * @param inputs of the docker.Container in the stack's state.
 * @param pidsLimit of the command that sets it; undefined where there is none.
 */
export function declaredFacts(inputs: Json, pidsLimit: number | undefined, image: ImageDefaults): Facts {
  const health = record(inputs["healthcheck"]);
  const labels = Object.fromEntries(
    list(inputs["labels"]).map((label) => [String(record(label)["label"]), record(label)["value"]]),
  );
  const capability = record(inputs["capabilities"]);
  const entrypoint = inputs["entrypoints"] === undefined ? image.Entrypoint : texts(inputs["entrypoints"]);
  // The engine drops the image's command where only the entry point is replaced.
  const inherited = inputs["entrypoints"] === undefined ? image.Cmd : undefined;
  const ports = list(inputs["ports"]).map(record);
  return written({
    image: inputs["image"],
    // A list that is no list is a secret: the state has it encrypted, and it cannot be compared here.
    ...(inputs["envs"] === undefined || Array.isArray(inputs["envs"])
      ? pairs("env", { ...fromEnv(image.Env ?? []), ...fromEnv(texts(inputs["envs"])) })
      : {}),
    ...pairs("label", { ...image.Labels, ...labels }),
    entrypoint: entrypoint ?? [],
    command: inputs["command"] === undefined ? (inherited ?? []) : texts(inputs["command"]),
    user: inputs["user"],
    "health check": texts(health["tests"]),
    "health check interval": `${seconds(text(health["interval"]))} s`,
    "health check timeout": `${seconds(text(health["timeout"]))} s`,
    "health check start period": `${seconds(text(health["startPeriod"]))} s`,
    "health check retries": health["retries"] ?? 0,
    "pids limit": pidsLimit,
    "read-only root": inputs["readOnly"] ?? false,
    privileged: inputs["privileged"] ?? false,
    init: inputs["init"] ?? false,
    "capabilities dropped": capabilities(capability["drops"]),
    "capabilities added": capabilities(capability["adds"]),
    "security options": sorted(texts(inputs["securityOpts"])),
    memory: `${Number(inputs["memory"] ?? 0)} MiB`,
    "memory and swap": `${Number(inputs["memorySwap"] ?? 0)} MiB`,
    cpus: Number(inputs["cpus"] ?? 0),
    restart: inputs["restart"],
    "log driver": inputs["logDriver"],
    "log options": byKey(record(inputs["logOpts"])),
    tmpfs: byKey(record(inputs["tmpfs"])),
    mounts: sorted(
      list(inputs["volumes"])
        .map(record)
        .map((one) => mount(one["volumeName"] ?? one["hostPath"], one["containerPath"], one["readOnly"])),
    ),
    networks: sorted(list(inputs["networksAdvanced"]).map((network) => String(record(network)["name"]))),
    ports: sorted(
      ports.map((port) => `${String(port["ip"])}:${String(port["external"])}→${String(port["internal"])}`),
    ),
    "stop grace": inputs["stopTimeout"] === undefined ? undefined : `${Number(inputs["stopTimeout"])} s`,
    "stop signal": inputs["stopSignal"] ?? image.StopSignal,
  });
}

/** Pure: what the engine has. */
export function liveFacts(info: ContainerInspectInfo): Facts {
  const config = info.Config as unknown as Json;
  const host = info.HostConfig as unknown as Json;
  const health = record(config["Healthcheck"]);
  const log = record(host["LogConfig"]);
  const nanoseconds = (value: unknown): string => `${Number(value ?? 0) / 1e9} s`;
  const bindings = Object.entries(record(host["PortBindings"])).flatMap(([port, to]) =>
    list(to).map(
      (one) =>
        `${String(record(one)["HostIp"])}:${String(record(one)["HostPort"])}→${port.replace(/\/tcp$/, "")}`,
    ),
  );
  return written({
    image: info.Image,
    ...pairs("env", fromEnv(texts(config["Env"]))),
    ...pairs("label", record(config["Labels"])),
    entrypoint: texts(config["Entrypoint"]),
    command: texts(config["Cmd"]),
    user: config["User"],
    "health check": texts(health["Test"]),
    "health check interval": nanoseconds(health["Interval"]),
    "health check timeout": nanoseconds(health["Timeout"]),
    "health check start period": nanoseconds(health["StartPeriod"]),
    "health check retries": health["Retries"] ?? 0,
    "pids limit": host["PidsLimit"] ?? 0,
    "read-only root": host["ReadonlyRootfs"],
    privileged: host["Privileged"],
    init: host["Init"] ?? false,
    "capabilities dropped": capabilities(host["CapDrop"]),
    "capabilities added": capabilities(host["CapAdd"]),
    "security options": sorted(texts(host["SecurityOpt"])),
    memory: `${Number(host["Memory"]) / MIB} MiB`,
    "memory and swap": `${Number(host["MemorySwap"]) / MIB} MiB`,
    cpus: Number(host["NanoCpus"]) / 1e9,
    restart: record(host["RestartPolicy"])["Name"],
    "log driver": log["Type"],
    "log options": byKey(record(log["Config"])),
    tmpfs: byKey(record(host["Tmpfs"])),
    mounts: sorted(
      info.Mounts.filter(({ Type }) => Type !== "tmpfs").map(({ Name, Source, Destination, RW }) =>
        mount(Name ?? Source, Destination, !RW),
      ),
    ),
    networks: sorted(Object.keys(info.NetworkSettings.Networks)),
    ports: sorted(bindings),
    "stop grace": config["StopTimeout"] === undefined ? undefined : `${Number(config["StopTimeout"])} s`,
    "stop signal": config["StopSignal"],
  });
}

/** One thing that is not as declared. */
export interface Difference {
  readonly of: string;
  readonly fact: string;
  readonly declared: string;
  readonly live: string;
}

const NOTHING = "(not there)";

/** Pure: what differs, by name. What nobody declared and the engine has is a difference only for env and labels. */
export function differences(of: string, declared: Facts, live: Facts): Difference[] {
  const open = (fact: string): boolean => /^(env|label) /.test(fact);
  const envIsKnown = Object.keys(declared).some((fact) => fact.startsWith("env "));
  const names = new Set([
    ...Object.keys(declared),
    ...Object.keys(live).filter((fact) => open(fact) && (envIsKnown || !fact.startsWith("env "))),
  ]);
  return [...names]
    .sort()
    .map((fact) => ({ of, fact, declared: declared[fact] ?? NOTHING, live: live[fact] ?? NOTHING }))
    .filter(({ declared: wanted, live: found }) => wanted !== found);
}
