/** Runs the whole program under mocks and records what it declares. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import * as pulumi from "@pulumi/pulumi";
import { defaults } from "../defaults.ts";

/** A resource as it was registered. */
export interface Declared {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  /** The names of the resources that it waits for, and that wait for it to be deleted. */
  readonly dependsOn: readonly string[];
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace: boolean;
  /** Whether the program says so, or leaves it to the provider. */
  readonly deleteBeforeReplaceDefined: boolean;
  /** What each property was made from: "type::name" by property. */
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly deletedWith: string;
  /** "type::name"; empty for what has none. */
  readonly parent: string;
  /** The provider that it is on, as "type::name"; empty where the engine takes its default one. */
  readonly provider: string;
  /** Outputs that are kept as secrets whatever the provider says of them. */
  readonly secretOutputs: readonly string[];
  /** What replaces it where the provider would change it in place. */
  readonly replaceOnChanges: readonly string[];
  /** What is left as it is, whatever the program says. */
  readonly ignoreChanges: readonly string[];
}

/** A call of a provider's function. */
export interface Invoked {
  readonly token: string;
  readonly inputs: Record<string, unknown>;
}

export interface Recording {
  readonly resources: readonly Declared[];
  readonly calls: readonly Invoked[];
  /** What the program exports, awaited. */
  readonly outputs: Readonly<Record<string, unknown>>;
  of(type: string): Declared[];
  named(type: string, name: string): Declared;
}

/** A certificate that the edge could have made; it ends in 2036. */
const CERTIFICATE = readFileSync(join(import.meta.dirname, "certificate.pem"), "utf8");

export const CONTAINER = "docker:index/container:Container";
export const SERVICE = "docker:index/service:Service";
export const COMMAND = "command:local:Command";

/** Outputs that a provider would compute, so that what depends on them is not unknown. */
function compute(
  stack: string,
  { type, name, inputs }: pulumi.runtime.MockResourceArgs,
): Record<string, unknown> {
  switch (type) {
    case CONTAINER:
      return {
        name: (inputs as { name?: string }).name ?? `${name}-0a1b2c3`,
        networkDatas: [
          { networkName: `omniai-${stack}-app`, ipAddress: "172.20.0.9" },
          { networkName: `omniai-${stack}-data`, ipAddress: "172.21.0.9" },
        ],
      };
    case "docker:index/volume:Volume":
      return { name: (inputs as { name?: string }).name ?? `${name}-0a1b2c3` };
    case "docker:index/remoteImage:RemoteImage":
      return { imageId: `sha256:${createHash("sha256").update(name).digest("hex")}` };
    case "random:index/randomPassword:RandomPassword":
      return { result: `canary-${name}`.padEnd(Number((inputs as { length: number }).length), "-") };
    case "random:index/randomUuid:RandomUuid":
      return { result: `identity-of-${name}` };
    case "random:index/randomId:RandomId":
      return { hex: "0a1b2c" };
    case COMMAND:
      if (name.endsWith("-push"))
        return { stdout: `sha256:${createHash("sha256").update(name).digest("hex")}` };
      if (name.endsWith("-engine-folder")) return { stdout: "/var/lib/docker" };
      return { stdout: JSON.stringify({ certificate: CERTIFICATE, key: "canary-key" }) };
    default:
      return {};
  }
}

const lastPart = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);

/** A URN's type without its parents', and its name. */
const typeAndName = (urn: string): string =>
  urn
    .split("::")
    .slice(2)
    .map((part) => part.slice(part.lastIndexOf("$") + 1))
    .join("::");

function propertiesOf(request: RegisterResourceRequest): Declared["propertyDependencies"] {
  const properties: Record<string, string[]> = {};
  request.getPropertydependenciesMap().forEach((sources, property) => {
    properties[property] = sources.getUrnsList().map(typeAndName);
  });
  return properties;
}

/** The mocks hand on the inputs but not the options, so the requests to the engine are looked at as well. */
function watchRequests(requests: RegisterResourceRequest[]): void {
  const monitor = pulumi.runtime.getMonitor() as unknown as {
    registerResource: (request: RegisterResourceRequest, callback: unknown) => Promise<void>;
  };
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    requests.push(request);
    return register(request, callback);
  };
}

const describe = (
  request: RegisterResourceRequest,
  inputs: ReadonlyMap<string, Record<string, unknown>>,
): Declared => ({
  type: request.getType(),
  name: request.getName(),
  inputs: inputs.get(`${request.getType()} ${request.getName()}`) ?? {},
  dependsOn: request.getDependenciesList().map(lastPart),
  protect: request.getProtect() ?? false,
  retainOnDelete: request.getRetainondelete() ?? false,
  deleteBeforeReplace: request.getDeletebeforereplace(),
  deleteBeforeReplaceDefined: request.getDeletebeforereplacedefined(),
  propertyDependencies: propertiesOf(request),
  deletedWith: lastPart(request.getDeletedwith()),
  parent: typeAndName(request.getParent()),
  // A reference to a provider ends with its id.
  provider: typeAndName(request.getProvider().split("::").slice(0, -1).join("::")),
  secretOutputs: request.getAdditionalsecretoutputsList(),
  replaceOnChanges: request.getReplaceonchangesList(),
  ignoreChanges: request.getIgnorechangesList(),
});

const settled = (output: pulumi.Output<unknown>): Promise<unknown> =>
  new Promise((resolve) => void output.apply(resolve));

/** Sets DOCKER_HOST for a stack that names its engine, as ops does. */
async function withDockerHost<T>(named: unknown, run: () => Promise<T>): Promise<T> {
  if (typeof named !== "string" || named === "") return run();
  const before = process.env["DOCKER_HOST"];
  process.env["DOCKER_HOST"] = named;
  try {
    return await run();
  } finally {
    if (before === undefined) delete process.env["DOCKER_HOST"];
    else process.env["DOCKER_HOST"] = before;
  }
}

let runs = 0;

/** What was recorded already. A recording is only read, so all tests that ask the same share one. */
const recordings = new Map<string, Promise<Recording>>();

/** What the program declares; recorded once for the same arguments. See `recordAnew`. */
export function record(...args: Parameters<typeof recordAnew>): Promise<Recording> {
  const key = JSON.stringify(args);
  const recording = recordings.get(key) ?? recordAnew(...args);
  recordings.set(key, recording);
  return recording;
}

/**
 * Runs the program.
 * @param change the config keys that differ from the defaults; those of other namespaces with theirs.
 * @param secrets the keys that are secrets, as `pulumi config set --secret` makes them.
 */
export async function recordAnew(
  stack: string,
  change: Readonly<Record<string, unknown>> = {},
  secrets: readonly string[] = [],
): Promise<Recording> {
  const inputs = new Map<string, Record<string, unknown>>();
  const requests: RegisterResourceRequest[] = [];
  const calls: Invoked[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        inputs.set(`${args.type} ${args.name}`, args.inputs as Record<string, unknown>);
        return { id: `${args.name}-id`, state: { ...(args.inputs as object), ...compute(stack, args) } };
      },
      call: (args) => {
        calls.push({ token: args.token, inputs: args.inputs as Record<string, unknown> });
        return args.inputs as object;
      },
    },
    "omniai",
    stack,
  );
  watchRequests(requests);
  const nameOf = (key: string): string => (key.includes(":") ? key : `omniai:${key}`);
  const config = Object.entries({ ...defaults, ...change }).map(([key, value]) => [
    nameOf(key),
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  pulumi.runtime.setAllConfig(Object.fromEntries(config) as Record<string, string>, secrets.map(nameOf));
  // Another query is another module: the program runs again.
  runs += 1;
  const program = await withDockerHost(
    change["dockerHost"],
    () => import(`../../index.ts?run=${runs}`) as Promise<Record<string, unknown>>,
  );
  const outputs: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(program)) {
    outputs[key] = await settled(pulumi.output(value) as pulumi.Output<unknown>);
  }
  await pulumi.runtime.disconnect();
  const resources = requests.map((request) => describe(request, inputs));
  const of = (type: string): Declared[] => resources.filter((resource) => resource.type === type);
  return {
    resources,
    calls,
    outputs,
    of,
    named: (type, name) => {
      const found = of(type).find((resource) => resource.name === name);
      if (found === undefined) throw new Error(`The program declares no ${type} named ${name}.`);
      return found;
    },
  };
}

/** Mocks see a secret as an object with a signature and its value. */
export const secretValue = (input: unknown): string =>
  typeof input === "string" ? input : String((input as { value: unknown }).value);

export const isSecret = (input: unknown): boolean =>
  typeof input === "object" && input !== null && "4dabf18193072939515e22adb298388d" in input;
