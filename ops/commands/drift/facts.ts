/**
 * A container as facts: once as it was declared (the inputs of docker.Container) and once as the engine has it, in the
 * same words, so that the two can be compared. Pulumi's provider cannot do that alone: it does not read back env, labels,
 * mounts and health checks, and has no property for the pids limit.
 */
import type { ContainerInspectInfo } from "dockerode";
import { isMapping } from "../../stack/json.ts";

/** Values by name, each as text or as JSON in a stable order. A fact that nobody declared is missing. */
export type Facts = Readonly<Record<string, string>>;

/** What containers inherit from their image. */
export interface ImageDefaults {
  readonly Env?: readonly string[] | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly StopSignal?: string;
}

type Json = Readonly<Record<string, unknown>>;
const mapping = (value: unknown): Json => (isMapping(value) ? value : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const texts = (value: unknown): string[] => list(value).map(String);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const sorted = (values: readonly string[]): string[] => [...values].sort();
const byKey = (value: Json): Json =>
  Object.fromEntries(Object.entries(value).sort(([left], [right]) => left.localeCompare(right)));

/** Leaves out what is undefined and writes the rest as text. */
function asText(facts: Json): Facts {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    known.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

/** Each entry as a fact of its own: "env A". */
const pairs = (kind: string, values: Json): Json =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${kind} ${key}`, String(value)]));
const fromEnv = (env: readonly string[]): Json =>
  Object.fromEntries(
    env.map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)] as const),
  );

/** Docker writes capabilities with and without their prefix. */
const capabilities = (names: unknown): string[] =>
  sorted(texts(names).map((name) => name.toUpperCase().replace(/^CAP_/, "")));

/** Pure: the seconds of a duration as the provider writes it, such as "1m30s". */
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
 * @param pidsLimit of the command that sets it; undefined when there is none.
 */
export function declaredFacts(inputs: Json, pidsLimit: number | undefined, image: ImageDefaults): Facts {
  const health = mapping(inputs["healthcheck"]);
  const labels = Object.fromEntries(
    list(inputs["labels"]).map((label) => [String(mapping(label)["label"]), mapping(label)["value"]]),
  );
  const capability = mapping(inputs["capabilities"]);
  const entrypoint = inputs["entrypoints"] === undefined ? image.Entrypoint : texts(inputs["entrypoints"]);
  // When only the entry point is replaced, the engine drops the image's command.
  const inherited = inputs["entrypoints"] === undefined ? image.Cmd : undefined;
  const ports = list(inputs["ports"]).map(mapping);
  return asText({
    image: inputs["image"],
    // Anything but a list is encrypted in the state, and so cannot be compared.
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
    "log options": byKey(mapping(inputs["logOpts"])),
    tmpfs: byKey(mapping(inputs["tmpfs"])),
    mounts: sorted(
      list(inputs["volumes"])
        .map(mapping)
        .map((one) => mount(one["volumeName"] ?? one["hostPath"], one["containerPath"], one["readOnly"])),
    ),
    networks: sorted(list(inputs["networksAdvanced"]).map((network) => String(mapping(network)["name"]))),
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
  const health = mapping(config["Healthcheck"]);
  const log = mapping(host["LogConfig"]);
  const nanoseconds = (value: unknown): string => `${Number(value ?? 0) / 1e9} s`;
  const bindings = Object.entries(mapping(host["PortBindings"])).flatMap(([port, to]) =>
    list(to).map(
      (one) =>
        `${String(mapping(one)["HostIp"])}:${String(mapping(one)["HostPort"])}→${port.replace(/\/tcp$/, "")}`,
    ),
  );
  return asText({
    image: info.Image,
    ...pairs("env", fromEnv(texts(config["Env"]))),
    ...pairs("label", mapping(config["Labels"])),
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
    restart: mapping(host["RestartPolicy"])["Name"],
    "log driver": log["Type"],
    "log options": byKey(mapping(log["Config"])),
    tmpfs: byKey(mapping(host["Tmpfs"])),
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

/** One fact that is not as declared. */
export interface Difference {
  readonly of: string;
  readonly fact: string;
  readonly declared: string;
  readonly live: string;
}

const NOTHING = "(not there)";

/** Pure: what differs, by name. What only the engine has is a difference for env and labels alone. */
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
