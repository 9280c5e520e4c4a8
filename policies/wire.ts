/**
 * What the engine tells and @pulumi/policy (1.21.0) does not pass on: which stack this is, its config, which values are
 * secrets, and whether the run is a preview. The handlers are wrapped where the package gives them to the gRPC server;
 * policies/test/private-interfaces.test.ts notices when that changes.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { runtime } from "@pulumi/pulumi";
import { Server, status, type UntypedServiceImplementation } from "@grpc/grpc-js";
import type {
  AnalyzeRequest,
  AnalyzerStackConfigureRequest,
  AnalyzeStackRequest,
} from "@pulumi/pulumi/proto/analyzer_pb.js";
import type { Text } from "./rule.ts";

/** ConfigureStack of pulumirpc.Analyzer: the engine sends it once, before its first question. */
export interface StackConfigured {
  readonly stack: string;
  readonly project: string;
  readonly preview: boolean;
  /** Keys with their namespace; values as text. */
  readonly config: ReadonlyMap<string, string>;
}

type Handler<R> = (call: { request: R }, callback: (error: unknown, response?: unknown) => void) => void;

/** The handlers of pulumirpc.Analyzer that are wrapped. */
interface Handlers {
  readonly configureStack: Handler<AnalyzerStackConfigureRequest>;
  readonly analyze: Handler<AnalyzeRequest>;
  readonly analyzeStack: Handler<AnalyzeStackRequest>;
}

const resource = new AsyncLocalStorage<AnalyzeRequest>();
const stack = new AsyncLocalStorage<AnalyzeStackRequest>();

/** Has to be called before the pack is served. When `configured` throws, the run ends with its message. */
export function listenToEngine(configured: (stack: StackConfigured) => void): void {
  const add: AddService = Reflect.get(Server.prototype, "addService");
  Server.prototype.addService = function (service, implementation): void {
    add.call(this, service, wrap(implementation, configured));
  };
}

type AddService = (this: Server, ...args: Parameters<Server["addService"]>) => void;

function wrap(
  implementation: UntypedServiceImplementation,
  configured: (stack: StackConfigured) => void,
): UntypedServiceImplementation {
  const handlers = implementation as unknown as Partial<Handlers>;
  const { configureStack, analyze, analyzeStack } = handlers;
  if (!configureStack || !analyze || !analyzeStack)
    throw new Error("@pulumi/policy now serves the engine in another way: adapt policies/wire.ts.");
  const wrapped: Handlers = {
    configureStack: (call, callback) => {
      try {
        configured(readConfigured(call.request));
      } catch (error) {
        callback({ code: status.FAILED_PRECONDITION, message: (error as Error).message });
        return;
      }
      configureStack(call, callback);
    },
    analyze: (call, callback) => resource.run(call.request, () => analyze(call, callback)),
    analyzeStack: (call, callback) => stack.run(call.request, () => analyzeStack(call, callback)),
  };
  return { ...implementation, ...wrapped } as unknown as UntypedServiceImplementation;
}

function readConfigured(request: AnalyzerStackConfigureRequest): StackConfigured {
  const config = new Map<string, string>();
  request.getConfigMap().forEach((value, key) => void config.set(key, value));
  return { stack: request.getStack(), project: request.getProject(), preview: request.getDryRun(), config };
}

/** The texts of a resource, read once for all rules. */
const read = new WeakMap<AnalyzeRequest, Text[]>();

/** The texts of the resource that the engine asks about. */
export function currentTexts(): Text[] {
  const request = resource.getStore();
  if (request === undefined) return [];
  const texts = read.get(request) ?? textsOf(request.getProperties()?.toJavaScript());
  read.set(request, texts);
  return texts;
}

/** The texts of every resource of the stack that the engine asks about, by URN. */
export const currentTextsByUrn = (): Map<string, Text[]> =>
  new Map(
    (stack.getStore()?.getResourcesList() ?? []).map((one) => [
      one.getUrn(),
      textsOf(one.getProperties()?.toJavaScript()),
    ]),
  );

/** Every text of a value that the engine sent, with its path and whether it is in a secret. */
export function textsOf(value: unknown, path = "", secret = false): Text[] {
  if (typeof value === "string") return [{ path, value, secret }];
  if (typeof value !== "object" || value === null)
    return secret ? [{ path, value: String(value), secret }] : [];
  const record = value as Record<string, unknown>;
  if (record[runtime.specialSigKey] === runtime.specialSecretSig) return textsOf(record["value"], path, true);
  return Object.entries(record).flatMap(([key, item]) =>
    key === runtime.specialSigKey ? [] : textsOf(item, path === "" ? key : `${path}.${key}`, secret),
  );
}
