/** What a rule's test is made of: resources as the engine would hand them over, and what the rule says about them. */
import { strict as assert } from "node:assert";
import {
  COMMAND,
  CONTAINER,
  isAbout,
  IMAGE,
  NETWORK,
  SERVICE,
  VOLUME,
  type ContainerProps,
  type Declared,
  type Rule,
  type StackContext,
} from "../../rule.ts";

export const stackContext: StackContext = {
  stack: "prod",
  environment: "prod",
  hostMemory: 2048,
  hostCpus: 4,
  managesZone: true,
};

/** A resource with what a case gives, and nothing else. */
export const resource = (
  type: string,
  name: string,
  props: object,
  more: Partial<Omit<Declared, "props">> = {},
): Declared => ({
  urn: `urn:pulumi:prod::omniai::${type}::${name}`,
  type,
  name,
  props: props as Declared["props"],
  secrets: [],
  options: { protect: false },
  dependencies: {},
  texts: [],
  ...more,
});

export const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

/** A container that every rule is content with, but for what a case changes. */
export const container = (
  props: Partial<Record<keyof ContainerProps | "cgroupParent", unknown>> = {},
  more: Partial<Omit<Declared, "props">> = {},
): Declared =>
  resource(
    CONTAINER,
    "omniai-prod-backend-1",
    {
      name: "omniai-prod-backend-1-0a1b2c3",
      image: DIGEST,
      user: "1000:1000",
      envs: ["PORT=8000", "DATABASE_PASSWORD_FILE=/run/secrets/password"],
      labels: [{ label: "io.omniai.workload", value: "backend" }],
      readOnly: true,
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges:true"],
      init: true,
      tmpfs: { "/tmp": "rw,nosuid,nodev,noexec,size=16m" },
      volumes: [
        { volumeName: "omniai-prod-backend-files-0a1b2c3", containerPath: "/run/secrets", readOnly: true },
      ],
      networkMode: "bridge",
      networksAdvanced: [{ name: "omniai-prod-app" }],
      ports: [],
      healthcheck: {
        tests: ["CMD", "check"],
        interval: "5s",
        timeout: "3s",
        retries: 3,
        startPeriod: "1m0s",
      },
      memory: 192,
      memorySwap: 192,
      cpus: "1",
      restart: "unless-stopped",
      mustRun: true,
      logDriver: "json-file",
      logOpts: { "max-size": "10m", "max-file": "3" },
      stopTimeout: 30,
      destroyGraceSeconds: 30,
      wait: true,
      waitTimeout: 94,
      ...props,
    },
    { options: { protect: false, deleteBeforeReplace: false }, ...more },
  );

/** How a service is changed, so that every rule is content. */
export const change = { parallelism: 1, order: "start-first", monitor: "24s", failureAction: "rollback" };

/**
 * A service that every rule is content with, but for what a case changes: of its containers, of its tasks, of what is around it
 * as a resource, of itself.
 */
export const service = (
  containerSpec: object = {},
  taskSpec: object = {},
  more: Partial<Omit<Declared, "props">> = {},
  props: object = {},
): Declared =>
  resource(
    SERVICE,
    "omniai-prod-backend",
    {
      name: "omniai-prod-backend",
      labels: [{ label: "io.omniai.workload", value: "backend" }],
      mode: { replicated: { replicas: 2 } },
      endpointSpec: { mode: "dnsrr", ports: [] },
      updateConfig: change,
      rollbackConfig: { ...change, failureAction: "pause" },
      taskSpec: {
        containerSpec: {
          image: `registry.example.org:5000/omniai/backend@${DIGEST}`,
          user: "1000:1000",
          env: { PORT: "8000", DATABASE_PASSWORD_FILE: "/run/secrets/password" },
          readOnly: true,
          capDrops: ["ALL"],
          init: true,
          mounts: [{ type: "tmpfs", target: "/tmp", tmpfsOptions: { sizeBytes: 16_777_216, mode: 511 } }],
          healthcheck: {
            tests: ["CMD", "check"],
            interval: "5s",
            timeout: "3s",
            retries: 3,
            startPeriod: "1m",
          },
          stopGracePeriod: "30s",
          secrets: [{ secretId: "id", fileName: "/run/secrets/password", fileMode: 0o400, fileUid: "1000" }],
          configs: [],
          ...containerSpec,
        },
        resources: { limits: { memoryBytes: 192 * 1024 * 1024, nanoCpus: 500_000_000 } },
        restartPolicy: { condition: "any", delay: "1s" },
        networksAdvanceds: [{ id: "0a1b2c3" }],
        logDriver: { name: "json-file", options: { "max-size": "10m", "max-file": "3" } },
        ...taskSpec,
      },
      ...props,
    },
    more,
  );

export const image = (props: object): Declared => resource(IMAGE, "omniai-prod-redis", props);
export const volume = (name: string, props: object, more: Partial<Omit<Declared, "props">> = {}): Declared =>
  resource(VOLUME, name, props, more);
export const network = (name: string, internal: boolean): Declared =>
  resource(NETWORK, name, { name, internal });
export const command = (props: object, more: Partial<Omit<Declared, "props">> = {}): Declared =>
  resource(COMMAND, "omniai-prod-backend-1", props, more);

/** One resource, or for a rule about the whole stack all of it. */
export type Case = Declared | readonly Declared[];

/** What the rule says. */
export function judge(rule: Rule, given: Case, context: Partial<StackContext> = {}): string[] {
  const resources = Array.isArray(given) ? (given as readonly Declared[]) : [given as Declared];
  const stack = { ...stackContext, ...context };
  if (rule.kind === "stack") return [...rule.check(resources, stack)].map(({ what }) => what);
  const looked = resources.filter(({ type }) => isAbout(rule, type));
  assert.ok(
    looked.length > 0,
    `${rule.name} looks at none of the resources of this case, so it proves nothing`,
  );
  return looked.flatMap((one) => [...rule.check(one, stack)]);
}

/** The two cases that every rule has, and more where one is not enough. */
export function testRule(
  rule: Rule,
  cases: {
    readonly passes: Readonly<Record<string, Case>>;
    readonly fails: Readonly<Record<string, [Case, RegExp]>>;
  },
): void {
  describe(rule.name, () => {
    it("has a case that passes and one that fails", () => {
      assert.ok(Object.keys(cases.passes).length > 0 && Object.keys(cases.fails).length > 0);
    });
    for (const [name, given] of Object.entries(cases.passes)) {
      it(`passes: ${name}`, () => assert.deepEqual(judge(rule, given), []));
    }
    for (const [name, [given, says]] of Object.entries(cases.fails)) {
      it(`fails: ${name}`, () => {
        const found = judge(rule, given);
        assert.equal(found.length, 1, found.join("\n"));
        assert.match(found[0] ?? "", says);
      });
    }
  });
}
