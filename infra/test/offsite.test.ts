/** Copies off-site: what the config allows, what the program declares for them, and what the gate lets through. */
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import { offsiteArgs } from "../components/offsite/args.ts";
import { renderGate } from "../components/offsite/offsite.ts";
import { findProblems } from "../config/problems.ts";
import { defaults } from "./defaults.ts";
import { COMMAND, CONTAINER, record, secretValue, type Recording } from "./support/recorder.ts";

const offsite = {
  offsiteBucket: "https://s3.example.org/copies",
  offsiteAccessKeyId: "id",
  offsiteSecretKey: "canary-secret",
  offsiteKey: "canary-key",
};

const problemsOf = (config: Readonly<Record<string, unknown>>): string[] =>
  findProblems({ ...defaults, ...config }, { isEncrypted: () => true }).problems.map(({ key }) => key);

describe("the config of copies off-site", () => {
  it("needs a bucket with all of its keys, and a room", () => {
    assert.deepEqual(problemsOf(offsite), []);
    assert.deepEqual(problemsOf({ offsiteBucket: offsite.offsiteBucket }), [
      "offsiteAccessKeyId",
      "offsiteSecretKey",
      "offsiteKey",
    ]);
    assert.deepEqual(problemsOf({ ...offsite, backups: "never" }), ["backups"]);
  });

  it("takes the tunnel's bucket only where there is one", () => {
    assert.deepEqual(problemsOf({ ...offsite, offsiteBucket: "tunnel" }), ["offsiteBucket"]);
  });

  it("takes an address with a bucket, with or without a folder and a port, and nothing else", () => {
    for (const good of ["http://10.0.0.1:9000/copies", "https://s3.example.org/copies/a/b"])
      assert.deepEqual(problemsOf({ ...offsite, offsiteBucket: good }), [], good);
    for (const bad of [
      "https://s3.example.org",
      "s3:https://s3.example.org/copies",
      "https://user:word@s3.example.org/copies",
      "https://s3.example.org/copies?x=1",
      "ftp://s3.example.org/copies",
    ])
      assert.deepEqual(problemsOf({ ...offsite, offsiteBucket: bad }), ["offsiteBucket"], bad);
  });
});

describe("the authority of a bucket", () => {
  const one = "-----BEGIN CERTIFICATE-----\nMIIB+/==\n-----END CERTIFICATE-----\n";

  it("is one certificate or a chain, as tools write them", () => {
    for (const good of ["", one, one + one, one.trimEnd(), one.replaceAll("\n", "\r\n")])
      assert.deepEqual(problemsOf({ ...offsite, offsiteAuthority: good }), [], JSON.stringify(good));
  });

  it("is nothing else", () => {
    const key = one.replaceAll("CERTIFICATE", "PRIVATE KEY");
    for (const bad of ["/etc/ca.pem", key, one + key, `x${one}`])
      assert.deepEqual(problemsOf({ ...offsite, offsiteAuthority: bad }), ["offsiteAuthority"], bad);
  });
});

describe("the gate", () => {
  const lets = (endpoint: string, asked: string): boolean =>
    new RegExp(String(renderGate(endpoint)["filter"]?.content).trim(), "i").test(asked);

  it("lets one host at one port through", () => {
    const https = "https://s3.example.org";
    assert.equal(lets(https, "s3.example.org:443"), true);
    for (const other of [
      "s3.example.org:8443",
      "s3xexample.org:443",
      "a.s3.example.org:443",
      "s3.example.org.evil:443",
      "http://s3.example.org/",
    ])
      assert.equal(lets(https, other), false, other);
    assert.equal(lets("http://10.0.0.1:9000", "http://10.0.0.1:9000/copies/x"), true);
    assert.equal(lets("http://10.0.0.1:9000", "http://10.0.0.1:90001/"), false);
    assert.equal(lets("http://s3.example.org", "http://s3.example.org/copies"), true);
    assert.equal(lets("http://s3.example.org", "http://s3.example.org@evil/"), false);
  });

  it("lets one other server through beside, by CONNECT to its own port alone, and gives it time to be quiet", () => {
    const gate = (endpoint: string, host: string) => {
      const files = renderGate(endpoint, { host, port: 5432 });
      const [filter = "", conf = ""] = ["filter", "tinyproxy.conf"].map((name) =>
        String(files[name]?.content),
      );
      return { lines: filter.trim().split("\n"), ports: conf.match(/ConnectPort \d+/g), conf };
    };
    const plain = gate("http://10.0.0.1:9000", "db.example.org");
    assert.deepEqual(plain.lines, ["^http://10\\.0\\.0\\.1:9000/", "^db\\.example\\.org:5432$"]);
    assert.deepEqual(plain.ports, ["ConnectPort 5432"]);
    assert.match(plain.conf, /Timeout 21600/);
    const [, six = ""] = gate("https://s3.example.org", "2001:db8::1").lines;
    assert.ok(new RegExp(six).test("[2001:db8::1]:5432"));
    const alone = String(renderGate("http://10.0.0.1:9000")["tinyproxy.conf"]?.content);
    assert.match(alone, /ConnectPort 0\n/);
    assert.match(alone, /Timeout 600\n/);
  });
});

describe("the program, with copies off-site", () => {
  let program: Recording;
  before(async () => {
    program = await record("dev", offsite, ["offsiteSecretKey", "offsiteKey"]);
  });

  const networksOf = (name: string): string[] =>
    (program.named(CONTAINER, name).inputs["networksAdvanced"] as { name: string }[]).map((one) => one.name);

  it("has the room though the stack is dev, which itself has no way out, and a gate that has", () => {
    assert.deepEqual(networksOf("omniai-dev-backup"), ["omniai-dev-data"]);
    assert.deepEqual(networksOf("omniai-dev-offsite"), ["omniai-dev-data", "omniai-dev-offsite"]);
    const volumes = program.named(CONTAINER, "omniai-dev-offsite").inputs["volumes"] as {
      readOnly: boolean;
    }[];
    assert.ok(volumes.every(({ readOnly }) => readOnly));
    const other = program.of(CONTAINER).filter(({ name }) => name !== "omniai-dev-offsite");
    for (const { name } of other) assert.ok(!networksOf(name).includes("omniai-dev-offsite"), name);
  });

  it("hands the keys over as files, and each stack its own folder of the bucket", () => {
    const room = program.named(CONTAINER, "omniai-dev-backup").inputs;
    const variables = room["envs"] as string[];
    assert.ok(variables.includes("OMNIAI_OFFSITE_REPOSITORY=s3:https://s3.example.org/copies/dev"));
    assert.doesNotMatch(JSON.stringify(room), /canary/);
    const archive = Buffer.from(
      secretValue(program.named(COMMAND, "omniai-dev-backup-files").inputs["stdin"]),
      "base64",
    ).toString();
    assert.match(archive, /aws_secret_access_key = canary-secret/);
    assert.match(archive, /canary-key\n/);
  });

  it("declares nothing of it without a bucket", async () => {
    const without = await record("dev", { backups: "always" });
    assert.ok(!without.of(CONTAINER).some(({ name }) => name === "omniai-dev-offsite"));
    assert.ok(!JSON.stringify(without.of("docker:index/network:Network")).includes("omniai-dev-offsite"));
  });

  it("puts the copies into the tunnel's bucket where that is asked for", async () => {
    const config = { ...offsite, offsiteBucket: "tunnel", offsiteRegion: "", offsiteAuthority: "" };
    const found = offsiteArgs(
      { ...config, offsiteMinutes: 10, offsiteDays: 30, offsiteSecretKey: undefined, offsiteKey: undefined },
      {
        endpoint: "https://account.r2.cloudflarestorage.com",
        name: pulumi.output("omniai-dev-backups-1a2b3c"),
      },
    );
    const repository = await new Promise((resolve) =>
      pulumi.output(found?.repository).apply((text) => {
        resolve(text);
      }),
    );
    assert.equal(repository, "s3:https://account.r2.cloudflarestorage.com/omniai-dev-backups-1a2b3c/dev");
  });
});
