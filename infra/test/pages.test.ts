/** The whole program for a stack with a page. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stackFiles, staticFiles } from "../components/pages/site.ts";
import { COMMAND, isSecret, record, recordAnew, secretValue, type Recording } from "./support/recorder.ts";
import { pagesConfig, SECRETS } from "./support/tunnel-config.ts";

const PAGES = "github:index/repositoryPages:RepositoryPages";
const FILE = "github:index/repositoryFile:RepositoryFile";
const FRONTEND = join(import.meta.dirname, "../../frontend");

describe("the program, with a page", () => {
  let program: Recording;
  before(async () => {
    program = await record("prod", pagesConfig, SECRETS);
  });
  const contentOf = (path: string) => program.named(FILE, `omniai-prod-${path}`).inputs["content"];

  it("publishes every file of frontend/ that a browser asks for, as it is", () => {
    const paths = program.of(FILE).map(({ inputs }) => String(inputs["file"]));
    for (const path of ["index.html", "app.js", "style.css", "favicon.svg", ".nojekyll", "js/stream.js"]) {
      assert.ok(paths.includes(path), path);
    }
    assert.deepEqual(
      paths.filter((path) => /tsconfig|test/.test(path)),
      [],
    );
    assert.equal(contentOf("app.js"), readFileSync(join(FRONTEND, "app.js"), "utf8"));
  });

  it("tells the page the same API as the stack's own outputs", () => {
    assert.deepEqual(JSON.parse(String(contentOf("runtime-config.json"))), program.outputs["runtimeConfig"]);
    assert.deepEqual(program.outputs["runtimeConfig"], {
      stack: "prod",
      apiBaseUrl: "https://api.example.org",
    });
  });

  it("lets exactly that page call the API", () => {
    const backends = program
      .of("docker:index/container:Container")
      .filter(({ name }) => name.includes("backend"));
    assert.ok(backends.length > 0);
    for (const { inputs } of backends) {
      const origins = (inputs["envs"] as string[]).filter((line) => line.includes("CORS"));
      assert.deepEqual(origins, ["OMNIAI_CORS_ORIGINS=https://owner.github.io"]);
    }
  });

  it("declares nothing that differs from run to run, so that unchanged files make no commit", async () => {
    const again = await recordAnew("prod", pagesConfig, SECRETS);
    const inputs = (recording: Recording) => recording.of(FILE).map((file) => [file.name, file.inputs]);
    assert.deepEqual(inputs(again), inputs(program));
  });

  it("commits one file after the other, the config last", () => {
    const files = program.of(FILE);
    for (const [index, file] of files.entries()) {
      const former = index === 0 ? [] : [files[index - 1]?.name];
      assert.deepEqual(
        file.dependsOn.filter((name) => files.some((other) => other.name === name)),
        former,
      );
    }
    assert.equal(files.at(-1)?.inputs["file"], "runtime-config.json");
  });

  it("serves the branch at GitHub's name", () => {
    assert.deepEqual(program.named(PAGES, "omniai-prod").inputs, {
      repository: "page",
      buildType: "legacy",
      source: { branch: "main", path: "/" },
    });
  });

  it("serves a domain of one's own, with its record in the zone", async () => {
    const own = await record("prod", { ...pagesConfig, pagesDomain: "app.example.org" }, SECRETS);
    const { inputs, dependsOn } = own.named(PAGES, "omniai-prod");
    assert.equal(inputs["cname"], "app.example.org");
    // GitHub refuses to enforce HTTPS until it has a certificate, which it gets only after the first `up`.
    assert.equal("httpsEnforced" in inputs, false);
    assert.ok(dependsOn.includes("omniai-prod-app.example.org"));
    assert.equal(own.named(FILE, "omniai-prod-CNAME").inputs["content"], "app.example.org\n");
    const record_ = own.named("cloudflare:index/dnsRecord:DnsRecord", "omniai-prod-app.example.org").inputs;
    assert.deepEqual(record_, {
      zoneId: pagesConfig.cloudflareZoneId,
      name: "app.example.org",
      type: "CNAME",
      content: "owner.github.io",
      proxied: false,
      ttl: 1,
    });
  });

  it("enforces HTTPS there in the second step, when GitHub has the certificate", async () => {
    const change = { ...pagesConfig, pagesDomain: "app.example.org", pagesHttpsEnforced: true };
    const second = await record("prod", change, SECRETS);
    assert.equal(second.named(PAGES, "omniai-prod").inputs["httpsEnforced"], true);
    const without = await record("prod", { ...pagesConfig, pagesHttpsEnforced: true }, SECRETS);
    assert.equal(
      "httpsEnforced" in without.named(PAGES, "omniai-prod").inputs,
      false,
      "github.io always does",
    );
  });

  it("leaves the files to a workflow when told so", async () => {
    const workflow = await record("prod", { ...pagesConfig, pagesSource: "workflow" }, SECRETS);
    assert.deepEqual(workflow.of(FILE), []);
    assert.deepEqual(workflow.named(PAGES, "omniai-prod").inputs, {
      repository: "page",
      buildType: "workflow",
    });
  });

  it("hands the token to the provider alone, as a secret", () => {
    const [provider] = program.of("pulumi:providers:github");
    assert.equal(secretValue(provider?.inputs["token"]), "canary-github-token");
    assert.ok(isSecret(provider?.inputs["token"]));
    assert.equal(provider?.inputs["owner"], "Owner");
    for (const { name, inputs } of [...program.of(FILE), ...program.of(COMMAND)]) {
      assert.doesNotMatch(JSON.stringify(inputs), /canary-github/, name);
    }
  });
});

describe("the page's files", () => {
  it("are the same bytes for the same config, whoever gives it", () => {
    assert.deepEqual(
      stackFiles({ stack: "prod", apiBaseUrl: "https://api.example.org" }, ""),
      stackFiles({ apiBaseUrl: "https://api.example.org", stack: "prod" }, ""),
    );
  });

  const files = new Map(staticFiles(FRONTEND).map(({ path, content }) => [path, content]));

  it("are all there that they name", () => {
    for (const [path, content] of files) {
      const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "";
      const imports = [...content.matchAll(/from "\.\/([^"]+)"/g)].map((match) => folder + (match[1] ?? ""));
      const links = [...content.matchAll(/(?:src|href)="([^"#:]+)"/g)].map((match) => match[1] ?? "");
      for (const wanted of [...imports, ...links]) assert.ok(files.has(wanted), `${path} wants ${wanted}`);
    }
  });

  it("bring no script, style or font of anybody else", () => {
    const policy = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(
      files.get("index.html") ?? "",
    )?.[1];
    assert.match(policy ?? "", /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.doesNotMatch(policy ?? "", /unsafe|\*\./);
    for (const [path, content] of files) {
      if (path !== "index.html") assert.doesNotMatch(content, /(src|href|url\(|from)\W*https?:/, path);
    }
  });
});
