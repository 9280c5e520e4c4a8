/** Certificates of an ACME authority: what the config allows, what the program declares for them, and the room's program. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { EDGE_SCRIPT, FIRST_CERTIFICATE_SCRIPT, HANDOVER_FOLDER } from "../components/edge/acme.ts";
import { CONTEXT } from "../components/certificates/image.ts";
import { CERTIFICATES_METRICS_PORT } from "../components/certificates/config.ts";
import { findProblems, parseConfig } from "../config/problems.ts";
import { planPublicAccess } from "../config/public-access.ts";
import { makeKey } from "../../ops/commands/backup/key.ts";
import { defaults } from "./defaults.ts";
import { unpack } from "./support/archive.ts";
import { describePython } from "./support/python-tests.ts";
import { COMMAND, CONTAINER, record, secretValue, type Recording } from "./support/recorder.ts";

const VOLUME = "docker:index/volume:Volume";
const acme = { tls: "acme", certificateHosts: ["api.example.org"] };

const problemsOf = (config: Readonly<Record<string, unknown>>): string[] =>
  findProblems({ ...defaults, ...config }, { isEncrypted: () => true }).problems.map(({ key }) => key);

describe("the config of certificates of an authority", () => {
  it("takes names that an authority can certify, and nothing else", () => {
    assert.deepEqual(problemsOf(acme), []);
    for (const bad of ["localhost", "10.0.0.1", "API.example.org", "*.example.org"])
      assert.deepEqual(problemsOf({ ...acme, certificateHosts: [bad] }), ["certificateHosts"], bad);
    const many = Array.from({ length: 101 }, (_, n) => `a${n}.example.org`);
    assert.deepEqual(problemsOf({ ...acme, certificateHosts: many }), ["certificateHosts"]);
  });

  it("takes all names below one, where records convince the authority, and beside one that can be visited", () => {
    const wild = { ...acme, certificateHosts: ["example.org", "*.example.org"] };
    assert.deepEqual(problemsOf(wild), ["certificateHosts"]);
    assert.deepEqual(problemsOf({ ...wild, acmeCloudflareToken: "token" }), []);
    for (const bad of [
      ["*.example.org"],
      ["example.org", "*.*.example.org"],
      ["example.org", "a.*.example.org"],
    ])
      assert.deepEqual(
        problemsOf({ ...acme, acmeCloudflareToken: "token", certificateHosts: bad }),
        ["certificateHosts"],
        bad.join(),
      );
  });

  it("needs ports that visitors reach", () => {
    assert.ok(problemsOf({ ...acme, publishPorts: "never" }).includes("tls"));
    assert.ok(problemsOf({ ...acme, tunnelEnabled: true }).includes("tls"));
    assert.ok(!problemsOf({ ...acme, tunnelEnabled: true, publishPorts: "always" }).includes("tls"));
  });

  it("refuses what is no address, no authority and no e-mail address", () => {
    for (const [key, bad] of [
      ["acmeDirectory", "http://ca.example/dir"],
      ["acmeAuthority", "/etc/ca.pem"],
      ["acmeEmail", "nobody"],
      ["tls", "letsencrypt"],
    ] as const)
      assert.deepEqual(problemsOf({ ...acme, [key]: bad }), [key], bad);
  });
});

describe("the way in with a certificate of an authority", () => {
  const urls = (change: object) =>
    planPublicAccess(
      parseConfig(
        "prod",
        { ...defaults, ...acme, bindAddress: "203.0.113.7", acmeCloudflareToken: "token", ...change },
        { environment: {}, isEncrypted: () => true },
      ),
      "dev",
    ).urls;

  it("is by the name that is certified, and without the usual port", () => {
    assert.deepEqual(urls({ httpPort: 80, httpsPort: 443 }), {
      page: "https://api.example.org/",
      http: "http://api.example.org:80",
      https: "https://api.example.org",
    });
    assert.equal(urls({}).https, "https://api.example.org:8443");
  });

  it("is never by a name with a *, but by one that such a certificate is for", () => {
    const certificateHosts = ["*.example.org", "example.org"];
    assert.equal(urls({ certificateHosts, httpsPort: 443 }).https, "https://example.org");
    assert.equal(
      urls({ certificateHosts, httpsPort: 443, edgeHosts: ["a.b.example.org", "api.example.org"] }).https,
      "https://api.example.org",
    );
  });
});

describe("the program, with certificates of an authority", () => {
  let program: Recording;
  let plain: Recording;
  const config = { ...acme, monitoring: "always", acmeCloudflareToken: "canary-token" };
  before(async () => {
    program = await record("dev", config, ["acmeCloudflareToken"]);
    plain = await record("dev", { monitoring: "always" });
  });
  const networksOf = (name: string): string[] =>
    (program.named(CONTAINER, name).inputs["networksAdvanced"] as { name: string }[]).map(
      (network) => network.name,
    );
  const volumesOf = (name: string) =>
    program.named(CONTAINER, name).inputs["volumes"] as {
      volumeName: string;
      containerPath: string;
      readOnly: boolean;
    }[];

  it("has the room reach the authority, the edge and who scrapes it, and neither the data nor the service", () => {
    assert.deepEqual(networksOf("omniai-dev-certificates"), ["omniai-dev-public", "omniai-dev-metrics"]);
  });

  it("keeps the account and the certificates in a volume that outlives the room, and that the edge does not see", () => {
    const { inputs, retainOnDelete } = program.named(VOLUME, "omniai-dev-certificates");
    assert.deepEqual([inputs["name"], retainOnDelete], ["omniai-dev-certificates", true]);
    assert.ok(
      !volumesOf("omniai-dev-edge").some(({ volumeName }) => volumeName === "omniai-dev-certificates"),
    );
  });

  it("copies them for the backup room alone, which sends the copy off-site and cannot write it", async () => {
    const copied = await record(
      "dev",
      {
        ...config,
        ...{ backups: "always", offsiteBucket: "https://s3.example.org/bucket", offsiteAccessKeyId: "id" },
        ...{ offsiteSecretKey: "secret", offsiteKey: makeKey() },
      },
      ["acmeCloudflareToken", "offsiteSecretKey", "offsiteKey"],
    );
    const users = copied
      .of(CONTAINER)
      .flatMap(({ name, inputs }) =>
        (inputs["volumes"] as { volumeName: string; readOnly: boolean }[])
          .filter(({ volumeName }) => volumeName === "omniai-dev-certificates-copy")
          .map(({ readOnly }) => [name, readOnly]),
      );
    assert.deepEqual(Object.fromEntries(users), {
      "omniai-dev-certificates": false,
      "omniai-dev-backup": true,
    });
    const { envs } = copied.named(CONTAINER, "omniai-dev-backup").inputs;
    assert.ok((envs as string[]).includes("OMNIAI_CERTIFICATES_COPY=/certificates/kept/certificates.tar"));
    assert.ok(
      (copied.named(CONTAINER, "omniai-dev-certificates").inputs["envs"] as string[]).includes(
        "OMNIAI_ACME_COPY=/copy/kept",
      ),
    );
    const { environment } = copied.named(COMMAND, "omniai-dev-certificates-copy").inputs as {
      environment: { SCRIPT: string };
    };
    // Waiting for the room, the backup room would be replaced whenever that is.
    const { propertyDependencies, dependsOn } = copied.named(CONTAINER, "omniai-dev-backup");
    const waitedFor = [...(propertyDependencies["volumes"] ?? []), ...dependsOn];
    assert.ok(waitedFor.some((one) => one.endsWith("omniai-dev-certificates-copy")));
    assert.deepEqual(
      waitedFor.filter((one) => /(^|Container::)omniai-dev-certificates$/.test(one)),
      [],
    );
    assert.match(environment.SCRIPT, /chown 101:999 \/files\/kept && chmod 750/);
    const { inputs } = copied.named(VOLUME, "omniai-dev-certificates-copy");
    assert.equal(inputs["name"], "omniai-dev-certificates-copy", "a rebuild finds it by its name");
    // Its user is the edge's, its group the backup room's.
    const ids = (name: string): string[] =>
      String(copied.named(CONTAINER, `omniai-dev-${name}`).inputs["user"]).split(":");
    assert.deepEqual(ids("certificates"), [ids("edge")[0], ids("backup")[1]]);
  });

  it("has no second copy of the keys where nothing goes off-site", () => {
    assert.ok(!program.resources.some(({ name }) => name === "omniai-dev-certificates-copy"));
    assert.doesNotMatch(
      JSON.stringify(program.named(CONTAINER, "omniai-dev-certificates").inputs),
      /"\/copy"|OMNIAI_ACME_COPY/,
    );
  });

  it("hands certificates over in a volume that the edge only reads", () => {
    const ofEdge = volumesOf("omniai-dev-edge").find(
      ({ containerPath }) => containerPath === HANDOVER_FOLDER,
    );
    const ofRoom = volumesOf("omniai-dev-certificates").find(
      ({ containerPath }) => containerPath === "/handover",
    );
    assert.equal(ofEdge?.volumeName, ofRoom?.volumeName);
    assert.deepEqual([ofEdge?.readOnly, ofRoom?.readOnly], [true, false]);
  });

  it("has the token in a file, with what certbot calls it", async () => {
    const { inputs } = program.named(COMMAND, "omniai-dev-certificates-files");
    const files = await unpack(secretValue(inputs["stdin"]));
    const file = files.find(({ name }) => name === "cloudflare.ini");
    assert.deepEqual([file?.content, file?.mode], ["dns_cloudflare_api_token = canary-token\n", 0o400]);
    const { envs } = program.named(CONTAINER, "omniai-dev-certificates").inputs;
    assert.doesNotMatch(JSON.stringify(envs), /canary/);
  });

  it("runs nginx beside the loop that takes certificates, and switches only after there is a file that names one", () => {
    const { entrypoints, command } = program.named(CONTAINER, "omniai-dev-edge").inputs;
    assert.deepEqual(
      [entrypoints, (command as string[])[0]?.endsWith(`\n${EDGE_SCRIPT}`)],
      [["sh", "-c"], true],
    );
    const { environment } = program.named(COMMAND, "omniai-dev-edge-switch").inputs as {
      environment: { SCRIPT: string };
    };
    assert.ok(environment.SCRIPT.startsWith(FIRST_CERTIFICATE_SCRIPT));
  });

  it("scrapes the room, has the rules about it, and tells of the generated certificate no more", async () => {
    const read = async (name: string, file: string): Promise<string> => {
      const { inputs } = program.named(COMMAND, name);
      return (await unpack(secretValue(inputs["stdin"]))).find((one) => one.name === file)?.content ?? "";
    };
    assert.match(
      await read("omniai-dev-targets", "certificates.json"),
      new RegExp(`omniai-dev-certificates:${CERTIFICATES_METRICS_PORT}`),
    );
    assert.match(await read("omniai-dev-victoria-metrics-files", "scrape.yaml"), /job_name: certificates/);
    assert.match(await read("omniai-dev-vmalert-files", "acme.yaml"), /CertificateNotRenewed/);
    assert.doesNotMatch(await read("omniai-dev-targets", "stack.prom"), /certificate_end/);
    assert.deepEqual(program.outputs["certificate"], {});
  });

  it("has nothing of it in a stack without it", async () => {
    assert.deepEqual(
      plain.resources.filter(({ name, type }) => /certificates|certbot/.test(name) && type !== COMMAND),
      [],
    );
    const { inputs } = plain.named(COMMAND, "omniai-dev-vmalert-files");
    const files = await unpack(secretValue(inputs["stdin"]));
    assert.ok(!files.some(({ name }) => name === "acme.yaml"));
  });
});

describe("the program of the room for certificates", () => {
  describePython(join(import.meta.dirname, "certificates-room"), CONTEXT);
});
