/** The whole program for a stack with a page. */
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DomainInput } from "../components/pages/domain.ts";
import { z } from "zod";
import { problemsOf } from "../../frontend/js/config.js";
import { featuresWithout, PAGE_FEATURES } from "../../frontend/publish/runtime-config.ts";
import { stackFiles, staticFiles, versionOf, withVersion } from "../../frontend/publish/site.ts";
import { COMMAND, isSecret, record, recordAnew, secretValue, type Recording } from "./support/recorder.ts";
import { pagesConfig, SECRETS } from "./support/tunnel-config.ts";

const PAGES = "github:index/repositoryPages:RepositoryPages";
const FILE = "github:index/repositoryFile:RepositoryFile";
const FRONTEND = join(import.meta.dirname, "../../frontend");

const VERSION = readFileSync(join(FRONTEND, "js/version.js"), "utf8");

describe("the program, with a page", () => {
  let program: Recording;
  before(async () => {
    program = await record("prod", pagesConfig, SECRETS);
  });
  const contentOf = (path: string) => program.named(FILE, `omniai-prod-${path}`).inputs["content"];

  /** What the command that names the page tells GitHub. */
  const domainOf = (recording: Recording) => {
    const { inputs } = recording.named(COMMAND, "omniai-prod-pages-domain");
    const { domain, httpsEnforced } = JSON.parse(String(secretValue(inputs["stdin"]))) as DomainInput;
    return { domain, httpsEnforced };
  };

  it("publishes every file of frontend/ that a browser asks for, as it is", () => {
    const paths = program.of(FILE).map(({ inputs }) => String(inputs["file"]));
    for (const path of [
      "index.html",
      "app.js",
      "style.css",
      "favicon.svg",
      ".nojekyll",
      "js/transport/stream.js",
    ]) {
      assert.ok(paths.includes(path), path);
    }
    assert.deepEqual(
      paths.filter((path) => /tsconfig|test/.test(path)),
      [],
    );
    assert.equal(contentOf("app.js"), readFileSync(join(FRONTEND, "app.js"), "utf8"));
  });

  it("tells the page the same API as the stack's own outputs", () => {
    const { pageVersion, ...told } = JSON.parse(String(contentOf("runtime-config.json"))) as {
      pageVersion: string;
    };
    assert.deepEqual(told, program.outputs["runtimeConfig"]);
    assert.equal(
      contentOf("js/version.js"),
      VERSION.replace('PAGE_VERSION = "dev"', `PAGE_VERSION = "${pageVersion}"`),
    );
    assert.deepEqual(program.outputs["runtimeConfig"], {
      stack: "prod",
      apiBaseUrl: "https://api.example.org",
      authMode: "none",
      measureSeconds: 10,
      pollSeconds: 25,
      features: featuresWithout([]),
    });
  });

  it("tells the page how people sign in, how often it asks, and what it goes without", async () => {
    const change = {
      ...{ authMode: "session", pageWithout: ["stream", "public"] },
      ...{ pageMeasureSeconds: 30, pagePollSeconds: 20 },
    };
    const { outputs } = await record("prod", { ...pagesConfig, ...change }, SECRETS);
    assert.deepEqual(outputs["runtimeConfig"], {
      stack: "prod",
      apiBaseUrl: "https://api.example.org",
      authMode: "session",
      measureSeconds: 30,
      pollSeconds: 20,
      features: featuresWithout(["public", "stream"]),
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
    // Not by the provider, which does not send the name at first and takes it away later.
    assert.deepEqual(["cname" in inputs, "httpsEnforced" in inputs], [false, false]);
    const named = own.named(COMMAND, "omniai-prod-pages-domain");
    assert.ok(named.dependsOn.includes("omniai-prod"), "after the page is there");
    // GitHub refuses to enforce HTTPS until it has a certificate, which it gets only after the first `up`.
    assert.deepEqual(domainOf(own), { domain: "app.example.org", httpsEnforced: false });
    assert.ok(isSecret(named.inputs["stdin"]), "the token is on its standard input");
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
    assert.deepEqual(domainOf(second), { domain: "app.example.org", httpsEnforced: true });
    const without = await record("prod", { ...pagesConfig, pagesHttpsEnforced: true }, SECRETS);
    assert.deepEqual(
      without.of(COMMAND).filter(({ name }) => name.includes("pages")),
      [],
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
      // The command that names the page gets it as a secret, which the test of the domain looks at.
      if (name.endsWith("-pages-domain")) continue;
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
      // Links to the folder itself, and queries, are about index.html.
      const links = [...content.matchAll(/(?:src|href)="([^"#:?]+)["?]/g)]
        .map((match) => match[1] ?? "")
        .filter((link) => link !== "./");
      for (const wanted of [...imports, ...links]) assert.ok(files.has(wanted), `${path} wants ${wanted}`);
    }
  });

  it("have one version together, that changes with each of them, and their integrity in the service worker", () => {
    const source = [
      { path: "a.js", content: "1" },
      { path: "js/version.js", content: 'export const PAGE_VERSION = "dev";' },
      { path: "sw.js", content: 'const VERSION = "dev";\nconst FILES = {};' },
    ];
    const [, page, worker] = withVersion(source);
    const version = /PAGE_VERSION = "([0-9a-f]{12})"/.exec(page?.content ?? "")?.[1];
    assert.ok(version && worker?.content.includes(`const VERSION = "${version}";`), worker?.content);
    const listed = JSON.parse(/FILES = (.*);/.exec(worker?.content ?? "")?.[1] ?? "") as Record<
      string,
      string
    >;
    assert.deepEqual(Object.keys(listed), ["a.js", "js/version.js"]);
    const digest = createHash("sha256").update("1").digest("base64");
    assert.equal(listed["a.js"], `sha256-${digest}`);
    const changed = withVersion([{ path: "a.js", content: "2" }, ...source.slice(1)]);
    assert.notEqual(versionOf(changed), version);
    assert.deepEqual(withVersion(source), withVersion(source));
  });

  it("take uPlot from npm as it is, by the integrity that the page insists on", () => {
    const charts = files.get("js/diag/charts.js") ?? "";
    for (const path of ["vendor/uplot.js", "vendor/uplot.css"]) {
      const integrity = `sha384-${createHash("sha384")
        .update(files.get(path) ?? "")
        .digest("base64")}`;
      assert.ok(charts.includes(integrity), `${path} is ${integrity}: write it into js/diag/charts.js`);
    }
  });

  it("agree with the JSON Schema of runtime-config.json on what is valid", () => {
    const text = readFileSync(join(FRONTEND, "runtime-config.schema.json"), "utf8");
    const schema = z.fromJSONSchema(JSON.parse(text) as Parameters<typeof z.fromJSONSchema>[0]);
    const good = { stack: "prod", apiBaseUrl: "https://api.example.org" };
    const more = {
      pageVersion: "0a",
      heartbeatSeconds: 0.5,
      measureSeconds: 1,
      shareTabs: false,
      topics: ["public.*"],
      authMode: "both",
      pollSeconds: 25,
      webPush: true,
    };
    const cases: [valid: boolean, config: unknown][] = [
      [true, good],
      [true, { ...good, apiBaseUrl: "/" }],
      [true, { ...good, ...more, features: featuresWithout(PAGE_FEATURES) }],
      [true, { ...good, ofANewerPage: 1 }],
      ...[{}, [], null, "x", 1].map((config): [boolean, unknown] => [false, config]),
      ...["", "api.example.org", "https://api.example.org/", "https://u:p@a.example", "javascript:1", 1].map(
        (apiBaseUrl): [boolean, unknown] => [false, { ...good, apiBaseUrl }],
      ),
      ...[{ stack: "" }, { pageVersion: "../x" }, { heartbeatSeconds: 0 }, { heartbeatSeconds: "15" }].map(
        (change): [boolean, unknown] => [false, { ...good, ...change }],
      ),
      ...[
        { measureSeconds: 0 },
        { shareTabs: "no" },
        { webPush: "on" },
        { authMode: "ldap" },
        { authMode: "toString" },
        { pollSeconds: 0.5 },
        { pollSeconds: 2.5 },
        { pollSeconds: 26 },
        { features: { stream: "yes" } },
        { topics: [] },
        { topics: ["a b"] },
        { features: { publish: 1 } },
        { features: [] },
      ].map((change): [boolean, unknown] => [false, { ...good, ...change }]),
    ];
    for (const [valid, config] of cases) {
      assert.equal(schema.safeParse(config).success, valid, `schema: ${JSON.stringify(config)}`);
      assert.equal(problemsOf(config).length === 0, valid, `page: ${JSON.stringify(config)}`);
    }
  });

  it("bring no script, style or font of anybody else", () => {
    const policy = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(
      files.get("index.html") ?? "",
    )?.[1];
    assert.match(policy ?? "", /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.doesNotMatch(policy ?? "", /unsafe|\*\./);
    for (const [path, content] of files) {
      if (!path.endsWith(".html")) assert.doesNotMatch(content, /(src|href|url\(|from)\W*https?:/, path);
    }
  });
});
