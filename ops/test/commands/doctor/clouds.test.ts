/** What `npm run doctor` finds out about Cloudflare and GitHub, from servers that answer as they do. */
import { strict as assert } from "node:assert";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { record } from "../../../../infra/test/support/recorder.ts";
import { pagesConfig, SECRETS, tunnelConfig } from "../../../../infra/test/support/tunnel-config.ts";
import { importLine } from "../../../commands/doctor/cloudflare-rules.ts";
import { inspectClouds } from "../../../commands/doctor/clouds.ts";
import { pagesImportLine } from "../../../commands/doctor/github.ts";
import type { KnownConfig } from "../../../stack/settings.ts";

const ACCOUNT = "0123456789abcdef0123456789abcdef";
const ZONE = "fedcba9876543210fedcba9876543210";
const values = {
  tunnelEnabled: true,
  cloudflareAccountId: ACCOUNT,
  cloudflareZoneId: ZONE,
  cloudflareBackups: true,
  cloudflareManageZone: true,
  cloudflareWatch: true,
};

/** Answers by path, as the two APIs do; what is not listed is forbidden. */
class Api {
  readonly #server: Server;
  readonly answers = new Map<string, { status: number; body?: unknown }>();
  readonly tokens = new Set<string | undefined>();

  constructor() {
    this.#server = createServer((request, response) => {
      this.tokens.add(request.headers.authorization);
      const path = new URL(request.url ?? "/", "http://api").pathname;
      const { status, body } = this.answers.get(path) ?? { status: 403 };
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body ?? {}));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  allow(...paths: string[]): void {
    for (const path of paths) this.answers.set(path, { status: 200 });
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe("doctor on the clouds", () => {
  let api: Api;
  let environment: NodeJS.ProcessEnv;
  const none = (): Promise<string | undefined> => Promise.resolve(undefined);
  const unknown = (): Promise<boolean | undefined> => Promise.resolve(undefined);
  const bad = async (of: KnownConfig, read = none, has = unknown): Promise<string[]> =>
    (await inspectClouds(of, environment, read, "prod", has))
      .filter(({ good }) => !good)
      .map(({ name, detail }) => `${name}: ${detail}`);

  beforeEach(async () => {
    api = new Api();
    const url = await api.listen();
    environment = {
      CLOUDFLARE_API_TOKEN: "from-environment",
      CLOUDFLARE_BASE_URL: url,
      GITHUB_TOKEN: "github",
      GITHUB_BASE_URL: `${url}/`,
    };
  });
  afterEach(() => api.close());

  const everything = [
    `/accounts/${ACCOUNT}/cfd_tunnel`,
    `/accounts/${ACCOUNT}/alerting/v3/policies`,
    `/accounts/${ACCOUNT}/r2/buckets`,
    `/accounts/${ACCOUNT}/workers/scripts`,
    `/zones/${ZONE}/dns_records`,
    `/zones/${ZONE}/settings/min_tls_version`,
    `/zones/${ZONE}/rulesets`,
  ];
  const active = (path = "/user/tokens/verify") =>
    api.answers.set(path, { status: 200, body: { result: { status: "active" } } });

  it("asks nobody for a stack without a tunnel and a page", async () => {
    assert.deepEqual(await inspectClouds({ tunnelEnabled: false }, environment, none), []);
    assert.equal(api.tokens.size, 0);
  });

  it("is content with a token that may do everything", async () => {
    active();
    api.allow(...everything);
    assert.deepEqual(await bad(values), []);
  });

  it("recognises a token of the account", async () => {
    active(`/accounts/${ACCOUNT}/tokens/verify`);
    api.allow(...everything);
    assert.deepEqual(await bad(values), []);
  });

  it("names every permission that is missing, and no other", async () => {
    active();
    api.allow(...everything.filter((path) => !/r2|rulesets/.test(path)));
    assert.deepEqual(await bad(values), [
      "Cloudflare Account, Workers R2 Storage: Edit: missing (Cloudflare answered 403)",
      "Cloudflare Zone, Zone WAF: Edit: missing (Cloudflare answered 403)",
    ]);
    assert.deepEqual(await bad({ ...values, cloudflareBackups: false, cloudflareManageZone: false }), []);
  });

  const found = async (name: string) =>
    (await inspectClouds(values, environment, none, "prod")).find((finding) => finding.name.includes(name));

  it("says plainly when it cannot be found out whether a token may also write", async () => {
    active();
    api.allow(...everything);
    const details = (await inspectClouds(values, environment, none)).map(({ detail }) => detail);
    assert.equal(details.filter((detail) => /may write was not proved/.test(detail)).length, 7);
    assert.doesNotMatch(details.join(), /preview/, "a preview changes nothing, so it proves nothing");
  });

  it("finds out from a tunnel's token, which only writers get, whether it may write there", async () => {
    active();
    api.allow(...everything);
    const tunnel = `/accounts/${ACCOUNT}/cfd_tunnel`;
    api.answers.set(tunnel, { status: 200, body: { result: [{ id: "t1" }] } });
    assert.deepEqual(await bad(values), [
      "Cloudflare Account, Cloudflare Tunnel: Edit: may read, but not write",
    ]);
    api.allow(`${tunnel}/t1/token`);
    assert.equal((await found("Tunnel"))?.detail, "may read and write");
  });

  it("reads the token's own policies if it may, and finds what may only be read", async () => {
    api.answers.set("/user/tokens/verify", { status: 200, body: { result: { status: "active", id: "k1" } } });
    api.allow(...everything);
    const policy = (names: string[], resources: object, effect = "allow") => ({
      effect,
      resources,
      permission_groups: names.map((name) => ({ name })),
    });
    const ofAccount = { [`com.cloudflare.api.account.${ACCOUNT}`]: "*" };
    const account = policy(
      ["Cloudflare Tunnel Write", "Notifications Write", "Workers R2 Storage Write", "Workers Scripts Write"],
      ofAccount,
    );
    const zone = ["DNS Write", "Zone Settings Write", "Zone WAF Write"];
    const own = (policies: object[]) =>
      api.answers.set("/user/tokens/k1", { status: 200, body: { result: { policies } } });
    own([account, policy(zone, { [`com.cloudflare.api.account.zone.${ZONE}`]: "*" })]);
    assert.deepEqual(await bad(values), []);
    assert.equal((await found("DNS"))?.detail, "may read and write");
    own([account, policy(zone, { "com.cloudflare.api.account.zone.*": "*" })]);
    assert.deepEqual(await bad(values), []);
    own([account, policy(["DNS Read", ...zone.slice(1)], { "com.cloudflare.api.account.zone.*": "*" })]);
    assert.deepEqual(await bad(values), ["Cloudflare Zone, DNS: Edit: may read, but not write"]);
    own([account, policy(zone, { "com.cloudflare.api.account.zone.other": "*" })]);
    assert.equal((await bad(values)).length, 3, "of another zone");
    own([
      account,
      policy(zone, { "com.cloudflare.api.account.zone.*": "*" }),
      policy(["DNS Write"], { [ZONE]: "*" }, "deny"),
    ]);
    assert.deepEqual(await bad(values), ["Cloudflare Zone, DNS: Edit: may read, but not write"]);
  });

  it("finds rules of the dashboard that the program will not overwrite, and says how to take them over", async () => {
    active();
    api.allow(...everything);
    const entrypoint = (phase: string) => `/zones/${ZONE}/rulesets/phases/${phase}/entrypoint`;
    api.answers.set(entrypoint("http_ratelimit"), { status: 404 });
    const rules = (...refs: string[]) =>
      api.answers.set(entrypoint("http_request_firewall_custom"), {
        status: 200,
        body: { result: { id: "r1", rules: refs.map((ref) => ({ ref })) } },
      });
    rules();
    assert.deepEqual(await bad(values), []);
    rules("omniai_known_paths");
    assert.deepEqual(await bad(values), [], "its own");
    rules("omniai_known_paths", "0123abcd");
    assert.deepEqual(await bad(values), [
      "Cloudflare rules (http_request_firewall_custom): 1 that the program did not make and will not overwrite",
    ]);
    assert.match(
      (await found("http_request_firewall_custom"))?.remedy ?? "",
      new RegExp(
        `pulumi import cloudflare:index/ruleset:Ruleset omniai-prod-firewall zones/${ZONE}/r1 --parent 'tunnel=urn:`,
      ),
    );
    assert.deepEqual(await bad({ ...values, cloudflareManageZone: false }), []);
  });

  it("names in that command resources that the program declares", async () => {
    const { resources } = await record("prod", tunnelConfig, SECRETS);
    const line = importLine("prod", "firewall", ZONE, "r1");
    for (const [, urn = ""] of line.matchAll(/=(urn:[^']+)'/g)) {
      const [type, name] = urn.split("::").slice(2);
      assert.ok(
        resources.some((one) => one.name === name && one.type === type?.split("$").at(-1)),
        urn,
      );
    }
    assert.ok(resources.some(({ type, name }) => line.includes(` ${type} ${name} `)));
  });

  it("shows what Cloudflare says about a token that is no longer active", async () => {
    api.answers.set("/user/tokens/verify", { status: 200, body: { result: { status: "expired" } } });
    assert.deepEqual(await bad(values), ["Cloudflare token: Cloudflare says it is expired"]);
  });

  it("prefers the stack's own token, and says so when there is none", async () => {
    active();
    await bad(values, () => Promise.resolve("from-config"));
    assert.deepEqual([...api.tokens], ["Bearer from-config"]);
    delete environment["CLOUDFLARE_API_TOKEN"];
    assert.match((await bad(values)).join(), /omniai:cloudflareApiToken: not set/);
  });

  it("distinguishes an API that does not answer from a missing permission", async () => {
    api.close();
    assert.match((await bad(values)).join(), /does not answer/);
  });

  const page = { pagesEnabled: true, pagesRepository: "owner/page" };

  it("is content with a GitHub token that may administer the repository", async () => {
    api.answers.set("/repos/owner/page", { status: 200, body: { permissions: { push: true, admin: true } } });
    api.answers.set("/repos/owner/page/pages", { status: 404 });
    assert.deepEqual(await bad(page), []);
  });

  it("says when GitHub has a certificate for the page's own name, and not before", async () => {
    api.answers.set("/repos/owner/page", { status: 200, body: { permissions: { push: true, admin: true } } });
    const own = { ...page, pagesDomain: "app.example.org" };
    const enforced = { ...own, pagesHttpsEnforced: true };
    api.answers.set("/repos/owner/page/pages", { status: 404 });
    assert.deepEqual(await bad(own), []);
    assert.match((await bad(enforced)).join(), /HTTPS of app\.example\.org: GitHub has no certificate yet/);
    const body = {
      cname: "app.example.org",
      https_certificate: { state: "approved" },
      https_enforced: false,
    };
    api.answers.set("/repos/owner/page/pages", { status: 200, body });
    assert.match(
      (await bad(own)).join(),
      /GitHub has the certificate, and omniai:pagesHttpsEnforced is false/,
    );
    assert.deepEqual(await bad(enforced), []);
  });

  it("says when GitHub has lost the page's own name", async () => {
    api.answers.set("/repos/owner/page", { status: 200, body: { permissions: { push: true, admin: true } } });
    api.answers.set("/repos/owner/page/pages", { status: 200, body: { cname: null } });
    assert.deepEqual(await bad({ ...page, pagesDomain: "app.example.org" }), [
      "name of the page: GitHub has none, the config says app.example.org",
    ]);
  });

  it("offers to take over a page that somebody else made, which GitHub would not make again", async () => {
    api.answers.set("/repos/owner/page", { status: 200, body: { permissions: { push: true, admin: true } } });
    api.answers.set("/repos/owner/page/pages", { status: 200, body: {} });
    const has = (own: boolean) => () => Promise.resolve(own);
    assert.deepEqual(await bad(page, none, has(true)), []);
    assert.match((await bad(page, none, has(false))).join(), /page of owner\/page: there already.*409/);
    api.answers.set("/repos/owner/page/pages", { status: 404 });
    assert.deepEqual(await bad(page, none, has(false)), [], "the first `up` makes it");

    // As in the program: the names of the resources that the command needs.
    const { resources } = await record("prod", pagesConfig, SECRETS);
    const line = pagesImportLine("prod", "Owner/page");
    for (const [, urn = ""] of line.matchAll(/=(urn:[^']+)'/g)) {
      const [type, name] = urn.split("::").slice(2);
      assert.ok(
        resources.some((one) => one.name === name && one.type === type?.split("$").at(-1)),
        urn,
      );
    }
    assert.ok(resources.some(({ type, name }) => line.includes(` ${type} ${name} page `)));
  });

  it("names what a GitHub token lacks", async () => {
    api.answers.set("/repos/owner/page", {
      status: 200,
      body: { permissions: { push: true, admin: false } },
    });
    assert.deepEqual(await bad(page), [
      "GitHub token for owner/page: Administration, write: missing",
      "GitHub token for owner/page: Pages, write: missing",
    ]);
    api.answers.set("/repos/owner/page", { status: 404 });
    assert.deepEqual(await bad(page), ["GitHub token for owner/page: GitHub answered 404"]);
  });
});
