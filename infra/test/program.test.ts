/** The whole program under mocks: what a stack declares. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { defaultsAsText } from "./defaults.ts";

interface Declared {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

const declared: Declared[] = [];

/** Outputs that a provider would compute, so that what depends on them is not unknown. */
function compute(args: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  switch (args.type) {
    case "docker:index/container:Container":
      return {
        name: (args.inputs as { name?: string }).name ?? `${args.name}-0a1b2c3`,
        networkDatas: [
          { networkName: "omniai-dev-app", ipAddress: "172.20.0.9" },
          { networkName: "omniai-dev-data", ipAddress: "172.21.0.9" },
        ],
      };
    case "docker:index/remoteImage:RemoteImage":
      return { imageId: `sha256:${args.name}` };
    case "random:index/randomPassword:RandomPassword":
      return { result: `canary-${args.name}` };
    case "command:local:Command":
      return { stdout: JSON.stringify({ certificate: "PEM", key: "canary-key" }) };
    default:
      return {};
  }
}

const of = (type: string): Declared[] => declared.filter((resource) => resource.type === type);
const CONTAINER = "docker:index/container:Container";

describe("the program, for the dev stack", () => {
  before(async () => {
    await pulumi.runtime.setMocks(
      {
        newResource: (args) => {
          declared.push({ type: args.type, name: args.name, inputs: args.inputs as Record<string, unknown> });
          return { id: `${args.name}-id`, state: { ...(args.inputs as object), ...compute(args) } };
        },
        call: (args) => args.inputs as Record<string, unknown>,
      },
      "omniai",
      "dev",
    );
    pulumi.runtime.setAllConfig({ ...defaultsAsText });
    const program = await import("../index.ts");
    await new Promise((resolve) => program.runtimeConfig.apply(resolve));
    await pulumi.runtime.disconnect();
  });

  it("declares PostgreSQL, Redis, two replicas and the edge", () => {
    assert.deepEqual(
      of(CONTAINER)
        .map(({ name }) => name)
        .sort(),
      [
        "omniai-dev-backend-1",
        "omniai-dev-backend-2",
        "omniai-dev-edge",
        "omniai-dev-postgres",
        "omniai-dev-redis",
      ],
    );
  });

  it("lets only the edge publish ports, on the loopback", () => {
    for (const { name, inputs } of of(CONTAINER)) {
      const ports = inputs["ports"] as { ip: string; external: number }[];
      assert.deepEqual(
        ports.map(({ ip, external }) => `${ip}:${external}`),
        name === "omniai-dev-edge" ? ["127.0.0.1:8080", "127.0.0.1:8443"] : [],
      );
    }
  });

  it("gives the data network no way out, and the edge no way to it", () => {
    const internal = of("docker:index/network:Network").filter(({ inputs }) => inputs["internal"] === true);
    assert.deepEqual(
      internal.map(({ name }) => name),
      ["omniai-dev-data"],
    );
    const attached = (name: string) =>
      (
        of(CONTAINER).find((container) => container.name === name)?.inputs["networksAdvanced"] as {
          name: string;
        }[]
      ).map((network) => network.name);
    assert.deepEqual(attached("omniai-dev-edge"), ["omniai-dev-app", "omniai-dev-public"]);
    assert.deepEqual(attached("omniai-dev-postgres"), ["omniai-dev-data"]);
    assert.deepEqual(attached("omniai-dev-redis"), ["omniai-dev-data"]);
  });

  it("labels every container, network and volume with its stack", () => {
    const labelled = [
      ...of(CONTAINER),
      ...of("docker:index/network:Network"),
      ...of("docker:index/volume:Volume"),
    ];
    assert.ok(labelled.length >= 12);
    for (const { name, inputs } of labelled) {
      const labels = inputs["labels"] as { label: string; value: string }[];
      assert.ok(
        labels.some(({ label, value }) => label === "io.omniai.stack" && value === "dev"),
        name,
      );
    }
  });

  it("names data volumes for good", () => {
    const data = of("docker:index/volume:Volume").filter(({ inputs }) =>
      (inputs["labels"] as { label: string }[]).some(({ label }) => label === "io.omniai.data"),
    );
    assert.deepEqual(data.map(({ inputs }) => inputs["name"]).sort(), [
      "omniai-dev-postgres-data",
      "omniai-dev-redis-data",
    ]);
  });

  it("has no secret in any container's inputs or any command's arguments and environment", () => {
    for (const { name, inputs } of [...of(CONTAINER), ...of("command:local:Command")]) {
      const { stdin: _, ...visible } = inputs;
      assert.doesNotMatch(JSON.stringify(visible), /canary/, name);
    }
  });

  it("hands files over as secrets, on standard input", () => {
    const withFiles = of("command:local:Command").filter(({ name }) =>
      /-files$|-switch$|-provision$/.test(name),
    );
    assert.equal(withFiles.length, 5);
    for (const { inputs } of withFiles) assert.ok(inputs["stdin"]);
  });

  it("sends the edge to exactly the replicas", () => {
    const input = of("command:local:Command").find(({ name }) => name.endsWith("edge-switch"))?.inputs[
      "stdin"
    ];
    const text = Buffer.from(secretValue(input), "base64").toString();
    assert.match(text, /server 172\.20\.0\.9:8000 /);
    assert.match(text, /server omniai-dev-backend-1-0a1b2c3:8000 resolve/);
    assert.match(text, /server omniai-dev-backend-2-0a1b2c3:8000 resolve/);
  });

  it("parents every resource to a component of ours", () => {
    assert.ok(of("omniai:edge:Edge").length === 1 && of("omniai:workload:Workload").length === 4);
  });
});

/** Mocks see a secret as an object with a signature and its value. */
const secretValue = (input: unknown): string =>
  typeof input === "string" ? input : String((input as { value: unknown }).value);
