/** Every rule over what the program declares for staging and prod, with their own files. */
import { strict as assert } from "node:assert";
import { defaults } from "../../infra/test/defaults.ts";
import { record, recordAnew, type Declared as Recorded } from "../../infra/test/support/recorder.ts";
import {
  EXTERNAL_SECRETS,
  externalConfig,
  externalOffsiteConfig,
  externalRedisConfig,
} from "../../infra/test/support/external-config.ts";
import { ownerValues, pinned, stackFile } from "../../infra/test/support/stack-file.ts";
import { swarmConfig } from "../../infra/test/support/swarm-config.ts";
import { SECRETS } from "../../infra/test/support/tunnel-config.ts";
import { BUILD_VARIABLE } from "../../infra/components/backend/image.ts";
import type { Environment } from "../../infra/config/policy-settings.ts";
import { RULES } from "../pack.ts";
import { isAbout, type Declared, type StackContext } from "../rule.ts";
import { textsOf } from "../wire.ts";
import { plain } from "./support/recorded.ts";

function asDeclared(recorded: Recorded): Declared {
  const texts = textsOf(recorded.inputs);
  const { type, name, protect, deleteBeforeReplace, deleteBeforeReplaceDefined } = recorded;
  return {
    urn: `${type}::${name}`,
    type,
    name,
    props: plain(recorded.inputs) as Declared["props"],
    texts,
    secrets: texts.filter(({ secret }) => secret).map(({ path }) => path),
    options: { protect, deleteBeforeReplace: deleteBeforeReplaceDefined ? deleteBeforeReplace : undefined },
    dependencies: recorded.propertyDependencies,
  };
}

/** Every violation as "rule: resource: what". */
async function judge(
  stack: Environment,
  change: Readonly<Record<string, unknown>>,
  declare = record,
): Promise<string[]> {
  const values: Readonly<Record<string, unknown>> = { ...defaults, ...stackFile(stack), ...change };
  const { resources } = await declare(stack, values, [...SECRETS, ...EXTERNAL_SECRETS]);
  const context: StackContext = {
    stack,
    environment: stack,
    hostMemory: Number(values["hostMemory"]),
    hostCpus: Number(values["hostCpus"]),
    managesZone: values["cloudflareManageZone"] !== false,
  };
  const declared = resources.map(asDeclared);
  assert.ok(declared.length >= 30, `${stack} declares ${declared.length} resources`);
  return RULES.filter(({ environments }) => environments?.includes(stack) ?? true).flatMap((rule) =>
    rule.kind === "stack"
      ? [...rule.check(declared, context)].map(
          ({ what, resource }) => `${rule.name}: ${resource?.name ?? stack}: ${what}`,
        )
      : declared
          .filter(({ type }) => isAbout(rule, type))
          .flatMap((one) =>
            [...rule.check(one, context)].map((what) => `${rule.name}: ${one.name}: ${what}`),
          ),
  );
}

describe("the policies, over what the stacks of this repository declare", () => {
  const images = pinned(defaults);

  it("hold for dev, where they are only shown", async () => {
    assert.deepEqual(await judge("dev", {}), []);
  });

  it("hold for staging, as its file is and with an owner's tunnel and page", async () => {
    assert.deepEqual(await judge("staging", {}), []);
    assert.deepEqual(await judge("staging", ownerValues["staging"] ?? {}), []);
  });

  it("hold for prod with images by digest, as its file is and with an owner's tunnel and page", async () => {
    assert.deepEqual(await judge("prod", images), []);
    assert.deepEqual(await judge("prod", { ...ownerValues["prod"], ...images }), []);
  });

  it("hold for prod with servers that others run, and with more replicas than its file has", async () => {
    for (const more of [
      externalConfig,
      externalRedisConfig,
      externalOffsiteConfig,
      // The edge has room for all that they accept, as many again stand beside them in a deploy.
      { backendReplicas: 8, backendCpus: "0.3", hostMemory: 9216 },
    ])
      assert.deepEqual(await judge("prod", { ...images, ...more }), []);
  });

  it("hold for prod on a swarm, with published ports and behind a tunnel, but for an overlay in the clear", async () => {
    assert.deepEqual(await judge("prod", { ...images, ...swarmConfig, backups: "auto" }), []);
    const tunnel = {
      ...ownerValues["prod"],
      ...swarmConfig,
      ...images,
      bindAddress: "127.0.0.1",
      offsiteBucket: "",
    };
    assert.deepEqual(await judge("prod", tunnel), []);
    const open = await judge("prod", { ...images, ...swarmConfig, overlayEncrypted: false });
    assert.deepEqual([...new Set(open.map((line) => line.split(":")[0]))], ["overlay-network"]);
  });

  it("hold for prod with web push", async () => {
    const push = { webPush: true, webPushContact: "mailto:ops@example.org" };
    assert.deepEqual(await judge("prod", { ...images, ...push }), []);
  });

  it("hold for prod with certificates of an authority in the place of a tunnel", async () => {
    const acme = { tls: "acme", certificateHosts: ["api.example.org"], bindAddress: "203.0.113.7" };
    assert.deepEqual(await judge("prod", { ...images, ...acme }), []);
  });

  it("hold for prod where a rollback, or a restart after it, takes an image that was kept", async () => {
    process.env[BUILD_VARIABLE] = "0123456789abcdef";
    try {
      assert.deepEqual(await judge("prod", images, recordAnew), []);
    } finally {
      Reflect.deleteProperty(process.env, BUILD_VARIABLE);
    }
  });

  it("refuse prod until every image is pinned, and for nothing else", async () => {
    const found = await judge("prod", ownerValues["prod"] ?? {});
    assert.deepEqual([...new Set(found.map((line) => line.split(":")[0]))], ["image-digest"]);
    // The backup room is made from two.
    assert.deepEqual(
      found.map((line) => line.split(": ")[1]).sort(),
      [
        ...["alertmanager", "backend", "backup", "backup", "cloudflared", "edge", "node-exporter"],
        ...["postgres", "redis", "victoria-logs", "victoria-metrics", "vlagent"],
        "vmalert",
      ].map((workload) => `omniai-prod-${workload}`),
    );
  });

  it("refuse a stack that takes more than its host has", async () => {
    const found = await judge("staging", { hostMemory: 1024, hostCpus: 2 });
    assert.deepEqual([...new Set(found.map((line) => line.split(":")[0]))], ["host-capacity"]);
    assert.equal(found.length, 2);
  });
});
