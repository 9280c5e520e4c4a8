/**
 * What the pack uses of @pulumi/policy although it does not promise it. The pack is started as the engine starts it and
 * asked as the engine asks, so each test says at an upgrade which use broke.
 */
import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { credentials } from "@grpc/grpc-js";
import { runtime } from "@pulumi/pulumi";
import service from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import messages, { type AnalyzeDiagnostic, type AnalyzeResponse } from "@pulumi/pulumi/proto/analyzer_pb.js";
import protobuf from "google-protobuf/google/protobuf/struct_pb.js";
import { COMMAND, CONTAINER } from "../rule.ts";

const UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const secretOf = (value: string) => ({ [runtime.specialSigKey]: runtime.specialSecretSig, value });
type Properties = Parameters<typeof protobuf.Struct.fromJavaScript>[0];

const answerTo = <T>(ask: (callback: (error: Error | null, answer: T) => void) => unknown): Promise<T> =>
  new Promise((resolve, reject) => {
    ask((error, answer) => (error === null ? resolve(answer) : reject(error)));
  });

/** The pack as a process, and the questions of the engine. */
class Pack {
  readonly #process: ChildProcess;
  readonly #client: InstanceType<typeof service.AnalyzerClient>;

  private constructor(child: ChildProcess, port: string) {
    this.#process = child;
    this.#client = new service.AnalyzerClient(`127.0.0.1:${port}`, credentials.createInsecure());
  }

  static async start(): Promise<Pack> {
    const child = spawn(process.execPath, [join(import.meta.dirname, "../main.ts"), "127.0.0.1:1"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [port] = (await once(createInterface(child.stdout), "line")) as [string];
    return new Pack(child, port);
  }

  async configure(config: Readonly<Record<string, string>>, isPreview: boolean): Promise<void> {
    const request = new messages.AnalyzerStackConfigureRequest();
    request.setStack("prod").setProject("omniai").setDryRun(isPreview);
    for (const [key, value] of Object.entries(config)) request.getConfigMap().set(`omniai:${key}`, value);
    await answerTo((callback) => this.#client.configureStack(request, callback));
  }

  /** The names of the rules that a resource violates, as the engine would stop at them. */
  async analyze(type: string, properties: Properties): Promise<string[]> {
    const request = new messages.AnalyzeRequest();
    request.setType(type).setName("x").setUrn(`urn:pulumi:prod::omniai::${type}::x`);
    request.setProperties(protobuf.Struct.fromJavaScript(properties));
    request.setOptions(new messages.AnalyzerResourceOptions());
    return namesIn(await answerTo((callback) => this.#client.analyze(request, callback)));
  }

  async analyzeStack(type: string, properties: Properties): Promise<string[]> {
    const resource = new messages.AnalyzerResource();
    resource.setType(type).setName("x").setUrn(`urn:pulumi:prod::omniai::${type}::x`);
    resource.setProperties(protobuf.Struct.fromJavaScript(properties));
    resource.setOptions(new messages.AnalyzerResourceOptions());
    const request = new messages.AnalyzeStackRequest();
    request.setResourcesList([resource]);
    return namesIn(await answerTo((callback) => this.#client.analyzeStack(request, callback)));
  }

  async stop(): Promise<void> {
    this.#client.close();
    this.#process.kill();
    await once(this.#process, "exit");
  }
}

const namesIn = (response: AnalyzeResponse): string[] =>
  response.getDiagnosticsList().map((found: AnalyzeDiagnostic) => found.getPolicyname());

describe("private interface: the handlers that @pulumi/policy gives to the gRPC server, wrapped by policies/wire.ts", () => {
  let pack: Pack;
  before(async () => (pack = await Pack.start()));
  after(() => pack.stop());

  it("are where the engine's word about the stack is heard: a wrong config ends the run with what is wrong", async () => {
    await assert.rejects(pack.configure({ hostMemory: "-1" }, true), /omniai:hostMemory is -1; allowed:/);
    await pack.configure({ hostMemory: "4096", hostCpus: "4" }, true);
  });

  it("are where secrets are still marked, of a resource and of the whole stack", async () => {
    const finds = async (value: unknown): Promise<boolean> =>
      (await pack.analyze(COMMAND, { create: "true", environment: { X: value } })).includes(
        "command-secrets",
      );
    assert.deepEqual([await finds(secretOf("value")), await finds("value")], [true, false]);
    const leaking = { result: secretOf("correct-horse-battery"), url: "redis://correct-horse-battery@x" };
    assert.ok((await pack.analyzeStack("pulumi:pulumi:Stack", leaking)).includes("plain-secrets"));
  });
});

describe("private interface: how @pulumi/policy tells of a value that is not known, read by isUnknownValue", () => {
  let pack: Pack;
  before(async () => (pack = await Pack.start()));
  after(() => pack.stop());
  const findsRoot = async (user: string) =>
    (await pack.analyze(CONTAINER, { user })).includes("container-user");

  it("is an error with the sentinel: no violation in a preview, no pass in an update", async () => {
    await pack.configure({ hostMemory: "4096", hostCpus: "4" }, true);
    assert.equal(await findsRoot("root"), true);
    assert.equal(await findsRoot(UNKNOWN_TEXT), false);
    await pack.configure({ hostMemory: "4096", hostCpus: "4" }, false);
    await assert.rejects(findsRoot(UNKNOWN_TEXT), /could not be checked for x/);
  });
});

describe("private interface: the mark __pulumiType of @pulumi/policy, set by policies/judge.ts", () => {
  it("is what its own helper sets, and it keeps other types away from a rule", async () => {
    const { validateResourceOfType } = await import("@pulumi/policy");
    const { Volume } = await import("@pulumi/docker");
    const validation = validateResourceOfType(Volume, () => undefined);
    assert.equal(
      (validation as unknown as { __pulumiType?: string }).__pulumiType,
      "docker:index/volume:Volume",
    );
  });
});
