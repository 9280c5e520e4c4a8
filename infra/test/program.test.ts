/** The whole program under mocks: what a stack declares. */
import { strict as assert } from "node:assert";
import { COMMAND, CONTAINER, isSecret, record, secretValue, type Recording } from "./support/recorder.ts";

describe("the program, for the dev stack", () => {
  let program: Recording;
  const of = (type: string) => program.of(type);
  before(async () => {
    const providers = [{ name: "openai", baseUrl: "https://api.openai.com/v1", apiKey: "canary-api-key" }];
    program = await record("dev", { providers }, ["providers"]);
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

  it("is reached by both families through a network of the edge alone, with addresses of both", async () => {
    const both = await record("dev", { bindAddress: "203.0.113.7", bindAddressIpv6: "2001:db8::7" });
    const { inputs } = both.named("docker:index/network:Network", "omniai-dev-access");
    assert.deepEqual([inputs["ipv6"], inputs["internal"]], [true, false]);
    const subnets = (inputs["ipamConfigs"] as { subnet: string }[]).map(({ subnet }) => subnet);
    assert.match(subnets.join(" "), /^10\.253\.\S+\/28 fd[0-9a-f:]+::\/64$/);
    const chosen = await record("dev", { bindAddressIpv6: "2001:db8::7", accessSubnet: "10.87.2.0/28" });
    assert.match(
      JSON.stringify(chosen.named("docker:index/network:Network", "omniai-dev-access").inputs["ipamConfigs"]),
      /"10\.87\.2\.0\/28"/,
    );
    const members = both
      .of(CONTAINER)
      .filter((one) => JSON.stringify(one.inputs["networksAdvanced"]).includes('"omniai-dev-access"'));
    assert.deepEqual(
      members.map(({ name }) => name),
      ["omniai-dev-edge"],
    );
    // Engines before 28 publish through the first of these by name.
    const leadOut = both
      .of("docker:index/network:Network")
      .filter((one) => one.inputs["internal"] !== true)
      .map(({ name }) => name);
    assert.equal(leadOut.sort()[0], "omniai-dev-access");
    const ports = both.named(CONTAINER, "omniai-dev-edge").inputs["ports"] as {
      ip: string;
      internal: number;
      external: number;
    }[];
    assert.deepEqual(
      ports.map(({ ip, internal, external }) => `${ip} ${external} ${internal}`),
      ["203.0.113.7 8080 8080", "203.0.113.7 8443 8443", "2001:db8::7 8080 8082", "2001:db8::7 8443 8444"],
    );
    assert.ok(!of("docker:index/network:Network").some(({ name }) => name === "omniai-dev-access"));
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
      "omniai-dev-backup-data",
      "omniai-dev-postgres-data",
      "omniai-dev-redis-data",
    ]);
  });

  it("has no secret in any container's inputs or any command's arguments and environment", () => {
    for (const { name, inputs } of [...of(CONTAINER), ...of(COMMAND)]) {
      const { stdin: _, ...visible } = inputs;
      assert.doesNotMatch(JSON.stringify(visible), /canary/, name);
    }
  });

  it("hands files over as secrets, on standard input", () => {
    const withFiles = of(COMMAND).filter(({ name }) => /-files$|-switch$|-provision$/.test(name));
    assert.equal(withFiles.length, 5);
    for (const { name, inputs } of withFiles) assert.ok(isSecret(inputs["stdin"]), name);
  });

  it("tells the service of its AI providers, whose keys are files", () => {
    const backend = of(CONTAINER).find(({ name }) => name === "omniai-dev-backend-1");
    const list = (backend?.inputs["envs"] as string[]).find((one) => one.startsWith("OMNIAI_PROVIDERS="));
    const apiKeyFile = "/run/secrets/provider-openai-key";
    assert.deepEqual(JSON.parse(list?.slice("OMNIAI_PROVIDERS=".length) ?? ""), [
      { name: "openai", baseUrl: "https://api.openai.com/v1", apiKeyFile },
    ]);
    const files = of("command:local:Command").find(({ name }) => name.endsWith("backend-files"));
    const archive = Buffer.from(secretValue(files?.inputs["stdin"]), "base64").toString();
    assert.match(archive, /provider-openai-key/);
    assert.match(archive, /canary-api-key/);
  });

  it("tells the replicas who may do what, and gives them the secret that signs as a file", () => {
    const replicas = of(CONTAINER).filter(({ name }) => name.includes("backend"));
    assert.equal(replicas.length, 2);
    for (const { inputs } of replicas) {
      const variables = inputs["envs"] as string[];
      for (const variable of [
        "OMNIAI_AUTH_MODE=none",
        "OMNIAI_PAGE_SITE=cross-site",
        "OMNIAI_SESSION_IDLE_SECONDS=3600",
        "OMNIAI_LIMIT_REQUESTS_PER_MINUTE=30000",
        "OMNIAI_AUTH_SECRET_FILE=/run/secrets/auth-secret",
      ])
        assert.ok(variables.includes(variable), variable);
    }
    const files = of("command:local:Command").find(({ name }) => name === "omniai-dev-backend-files");
    const text = Buffer.from(secretValue(files?.inputs["stdin"]), "base64").toString();
    assert.match(text, /auth-secret\0/);
    assert.match(text, /canary-omniai-dev-auth-secret/);
  });

  it("sends the edge to exactly the replicas", () => {
    const input = of(COMMAND).find(({ name }) => name.endsWith("edge-switch"))?.inputs["stdin"];
    const text = Buffer.from(secretValue(input), "base64").toString();
    assert.match(text, /server 172\.20\.0\.9:8000 /);
    assert.match(text, /server omniai-dev-backend-1-0a1b2c3:8000 resolve/);
    assert.match(text, /server omniai-dev-backend-2-0a1b2c3:8000 resolve/);
  });

  it("declares nothing of Cloudflare or GitHub, and asks them nothing", () => {
    assert.deepEqual(
      program.resources.filter(({ type }) => /cloudflare|github|tunnel|pages/i.test(type)),
      [],
    );
    assert.deepEqual(program.calls, []);
  });
});
