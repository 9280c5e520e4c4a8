/** The policy pack in the engine: it stops whatever violates a rule before anything is touched. */
import { strict as assert } from "node:assert";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { createStack, docker, type TestStack } from "../support/stack.ts";

describe("the policies of a stack", function () {
  this.timeout(120_000);
  let checkout: string;
  let stack: TestStack;
  /** The files that make every container, as they are. */
  const sources = new Map<string, string>();
  const host = { hostMemory: 4096, hostCpus: 8 };

  before(async () => {
    checkout = createCheckout();
    // Named, because a CI runner deploys a stack like this one only to an engine that it names.
    const dockerHost = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
    stack = await createStack(checkout, { environment: "staging", dockerHost, ...host });
    for (const file of ["infra/workload.ts", "infra/resources/gate.ts"])
      sources.set(file, readFileSync(join(checkout, file), "utf8"));
  });
  after(async () => {
    await stack.remove();
    removeCheckout(checkout);
  });
  afterEach(() => sources.forEach((text, file) => writeFileSync(join(checkout, file), text)));

  /** Changes how every container is made. */
  const change = (...edits: readonly [from: string, to: string][]): void => {
    for (const [from, to] of edits) {
      const [file] =
        [...sources].find(([, one]) => one.includes(from)) ?? assert.fail(`nothing has: ${from}`);
      const current = readFileSync(join(checkout, file), "utf8");
      writeFileSync(join(checkout, file), current.replace(from, to));
    }
  };

  const exception = (until: string) => ({
    rule: "container-port-address",
    resource: `omniai-${stack.name}-edge`,
    reason: "a test of exceptions",
    until,
  });

  /** A month from now; an exception may last for a year at most. */
  const soon = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10);

  it("accept what the program declares, show its exceptions, and say which checks wait for the update", async () => {
    stack.configure({ bindAddress: "0.0.0.0", policyExceptions: [exception(soon)] });
    const { code, stdout, output } = await stack.run("policy");
    assert.equal(code, 0, output);
    assert.match(stdout, /judged as staging: violations stop a deploy/);
    assert.match(stdout, /every policy holds/);
    assert.match(stdout, /Exception from container-port-address .* until [-\d]+: a test of exceptions/);
    // It only looks: the stack is not begun by it.
    assert.equal(existsSync(join(checkout, ".state/.pulumi/stacks/omniai", `${stack.name}.json`)), false);
    assert.match(stdout, /Checked during the update.*container-image-id \([^)]*-backend-1[,)]/);
  });

  it("stop an update before anything is touched, and say which rule, which resource and what to do", async () => {
    stack.configure({ policyExceptions: [exception("2026-01-31")] });
    change(
      ["readOnly: true,", 'readOnly: false, hostname: pulumi.secret("s3cret-hostname"),'],
      [
        "docker update --pids-limit",
        "docker run --privileged -v /:/host alpine true; docker update --memory-swap",
      ],
      [
        "this.registerOutputs(",
        'new docker.Plugin(`${name}-plugin`, { name: "vieux/sshfs" }, { parent: this }); this.registerOutputs(',
      ],
    );
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 4, output);
    assert.match(output, /container-read-only: omniai-\S+-redis: its root can be written\. Set `readOnly`/);
    assert.match(output, /container-secrets: omniai-\S+-redis: a secret goes into hostname/);
    assert.match(output, /command-known: omniai-\S+-redis: no known script: docker run --privileged/);
    assert.match(output, /command-containers: omniai-\S+-redis: its flag --privileged/);
    assert.match(output, /resource-types: redis-plugin: .*docker:index\/plugin:Plugin/);
    assert.match(output, /container-port-address: .*Its exception ended with 2026-01-31/);
    assert.match(output, /omniai:policyExceptions/);
    assert.doesNotMatch(output, /at .*\.ts:\d+/, "no stack trace");
    const filters = { label: [`io.omniai.stack=${stack.name}`] };
    assert.deepEqual(await docker.listContainers({ all: true, filters }), []);
    assert.deepEqual(await docker.listNetworks({ filters: JSON.stringify(filters) }), []);
  });

  it("only report violations in dev, including those that only the whole stack shows", async () => {
    stack.configure({ environment: "dev" });
    change(["docker update --pids-limit", "docker update --memory-swap"]);
    const { code, output } = await stack.run("preview");
    assert.equal(code, 0, output);
    assert.match(output, /\[advisory\] +container-port-address/);
    assert.match(output, /container-pids\b[\s\S]*omniai-\S+-postgres: no command sets its pids limit/);
  });
});
