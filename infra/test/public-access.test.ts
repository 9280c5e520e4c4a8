/** How the world reaches a stack, and what contradicts it. */
import { strict as assert } from "node:assert";
import { ConfigError, findProblems, parseConfig } from "../config/problems.ts";
import type { StackConfig } from "../config/schema.ts";
import { planPublicAccess } from "../config/public-access.ts";
import { defaults } from "./defaults.ts";
import { pagesConfig, tunnelConfig } from "./support/tunnel-config.ts";

const parse = (change: object, environment: NodeJS.ProcessEnv = {}): StackConfig =>
  parseConfig("prod", { ...defaults, ...change }, { environment, isEncrypted: () => true });

function refused(change: object): ConfigError {
  try {
    parse(change);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  return assert.fail(`accepted ${JSON.stringify(change)}`);
}

const keysOf = (change: object): string[] => refused(change).problems.map(({ key }) => key);

describe("the way in", () => {
  it("names everything that a tunnel lacks, at once", () => {
    assert.deepEqual(keysOf({ tunnelEnabled: true }).sort(), [
      ...["cloudflareAccountId", "cloudflareAlertEmails", "cloudflareApiToken"],
      ...["cloudflareZone", "cloudflareZoneId", "tunnelHostnames"],
    ]);
    assert.match(refused({ tunnelEnabled: true }).message, /nothing was touched/);
  });

  it("takes the tokens from the environment as well", () => {
    const change = { ...pagesConfig, cloudflareApiToken: "", githubToken: "" };
    assert.deepEqual(keysOf(change), ["cloudflareApiToken", "githubToken"]);
    assert.doesNotThrow(() => parse(change, { CLOUDFLARE_API_TOKEN: "x", GITHUB_TOKEN: "y" }));
  });

  it("still says all else where the tokens are secrets that are not known here", () => {
    const { problems } = findProblems(
      { ...defaults, ...pagesConfig, pagesRepository: "", cloudflareZone: "" },
      { hidden: new Set(["cloudflareApiToken", "githubToken"]), environment: {} },
    );
    assert.deepEqual(problems.map(({ key }) => key).sort(), ["cloudflareZone", "pagesRepository"]);
  });

  const contradictions: [string, object, string][] = [
    ["no tunnel and no port", { publishPorts: "never" }, "publishPorts"],
    ["closing what is not there", { tunnelClosing: true }, "tunnelClosing"],
    [
      "a host name of another zone",
      { ...tunnelConfig, tunnelHostnames: ["api.example.com"] },
      "tunnelHostnames",
    ],
    [
      "a zone that is only a suffix",
      { ...tunnelConfig, tunnelHostnames: ["badexample.org"] },
      "tunnelHostnames",
    ],
    [
      "a host name twice",
      { ...tunnelConfig, tunnelHostnames: ["a.example.org", "a.example.org"] },
      "tunnelHostnames",
    ],
    ["a page without a repository", { ...pagesConfig, pagesRepository: "" }, "pagesRepository"],
    [
      "a page without a tunnel",
      { pagesEnabled: true, pagesRepository: "o/p", githubToken: "t" },
      "pagesEnabled",
    ],
    ["page and API on one name", { ...pagesConfig, pagesDomain: "api.example.org" }, "pagesDomain"],
    [
      "a tunnel whose connectors cannot count the time of a switch",
      { ...tunnelConfig, switchSeconds: 3 },
      "switchSeconds",
    ],
  ];
  it("refuses a subnet that the connectors do not fit into while they are replaced, and says which would do", () => {
    const subnet = (replicas: number, tunnelSubnet: string) => ({
      ...tunnelConfig,
      tunnelReplicas: replicas,
      tunnelSubnet,
    });
    assert.doesNotThrow(() => parse(subnet(6, "10.87.1.0/28")));
    assert.deepEqual(keysOf(subnet(7, "10.87.1.0/28")), ["tunnelSubnet"]);
    assert.match(refused(subnet(7, "10.87.1.0/28")).message, /at least 18 addresses \(\/27\)/);
    assert.doesNotThrow(() => parse(subnet(8, "10.87.1.0/27")));
    assert.doesNotThrow(() => parse(subnet(8, "")));
  });

  for (const [what, change, key] of contradictions) {
    it(`refuses ${what}`, () => assert.deepEqual(keysOf(change), [key]));
  }

  it("never shows a token, neither a wrong one nor how to set it in the clear", () => {
    const { message } = refused({ ...tunnelConfig, cloudflareApiToken: "canary token" });
    assert.doesNotMatch(message, /canary/);
    assert.match(message, /omniai:cloudflareApiToken is \[not shown\]/);
    assert.match(message, /pulumi config set omniai:cloudflareApiToken --secret --stack prod/);
  });

  it("has the page where the config says, and by itself only where nothing else publishes one", () => {
    const at = (change: object, environment: "dev" | "prod") => {
      const { isPageAtEdge, urls } = planPublicAccess(parse(change), environment);
      return isPageAtEdge ? urls.page : undefined;
    };
    assert.equal(at({}, "dev"), "http://127.0.0.1:8080/");
    assert.equal(at({}, "prod"), undefined);
    assert.equal(at({ pageAt: "edge" }, "prod"), "http://127.0.0.1:8080/");
    assert.equal(at({ ...tunnelConfig, pageAt: "edge" }, "prod"), "https://api.example.org/");
    assert.equal(at({ pageAt: "none" }, "dev"), undefined);
    assert.equal(at(pagesConfig, "dev"), undefined);
    assert.equal(at({ ...pagesConfig, pageAt: "pages" }, "dev"), undefined);
    assert.deepEqual(keysOf({ pageAt: "pages" }), ["pageAt"]);
    assert.deepEqual(keysOf({ ...pagesConfig, pageAt: "edge" }), ["pageAt"]);
  });

  it("is the host's own ports without a tunnel", () => {
    assert.deepEqual(planPublicAccess(parse({ bindAddress: "::1" }), "prod"), {
      publishPorts: true,
      ipv6: true,
      urls: { http: "http://[::1]:8080", https: "https://[::1]:8443" },
      isPageAtEdge: false,
      apiBaseUrl: "https://[::1]:8443",
      pageOrigin: undefined,
      pageRecord: undefined,
      corsOrigins: [],
      hosts: ["localhost", "127.0.0.1", "[::1]"],
    });
  });

  it("is the host's IPv6 address as well, as clients spell it", () => {
    const both = parse({ bindAddress: "203.0.113.7", bindAddressIpv6: "2001:DB8:0::7" });
    const { hosts, urls } = planPublicAccess(both, "prod");
    assert.deepEqual(hosts, ["localhost", "127.0.0.1", "203.0.113.7", "[2001:db8::7]"]);
    assert.equal(urls.https, "https://203.0.113.7:8443");
    assert.deepEqual(planPublicAccess(parse({ bindAddressIpv6: "::" }), "prod").hosts, [
      "localhost",
      "127.0.0.1",
    ]);
    assert.deepEqual(keysOf({ bindAddress: "::1", bindAddressIpv6: "2001:db8::7" }), ["bindAddressIpv6"]);
  });

  it("has only URLs that the edge answers: of the bind address, or of the first host that is served", () => {
    for (const [change, host] of [
      [{}, "127.0.0.1"],
      [{ bindAddress: "10.0.0.5" }, "10.0.0.5"],
      [{ bindAddress: "0.0.0.0", certificateHosts: ["api.lan", "10.0.0.5"] }, "api.lan"],
      [{ bindAddress: "::", certificateHosts: ["fd00::5"] }, "[fd00::5]"],
      [{ bindAddress: "0.0.0.0", edgeHosts: ["ai.example.org"] }, "ai.example.org"],
      [{ bindAddress: "10.0.0.5", edgeHosts: ["ai.example.org"] }, "ai.example.org"],
    ] as const) {
      const { urls, apiBaseUrl, hosts } = planPublicAccess(parse(change), "prod");
      assert.deepEqual(urls, { http: `http://${host}:8080`, https: `https://${host}:8443` });
      assert.equal(apiBaseUrl, urls.https);
      assert.ok(hosts.includes(host), `${host} is not served`);
    }
  });

  it("counts in whole seconds only with a tunnel", () => {
    assert.doesNotThrow(() => parse({ switchSeconds: 3 }));
    assert.doesNotThrow(() => parse({ ...tunnelConfig, switchSeconds: 4 }));
  });

  it("never shuts the tunnel out of the hosts that the edge serves", () => {
    const hosts = (change: object) => planPublicAccess(parse(change), "prod").hosts;
    assert.deepEqual(hosts(tunnelConfig), ["localhost", "127.0.0.1", "api.example.org", "ai.example.org"]);
    assert.deepEqual(hosts({ ...tunnelConfig, edgeHosts: ["10.0.0.5", "ai.example.org"] }), [
      ...["10.0.0.5", "ai.example.org", "api.example.org"],
    ]);
  });

  it("has a list of hosts for every address, so that no page's own name leads to the API", () => {
    const hosts = (change: object) => planPublicAccess(parse(change), "prod").hosts;
    assert.deepEqual(hosts({}), ["localhost", "127.0.0.1"]);
    assert.deepEqual(hosts({ bindAddress: "10.0.0.5" }), ["localhost", "127.0.0.1", "10.0.0.5"]);
    assert.deepEqual(hosts({ bindAddress: "0.0.0.0", certificateHosts: ["api.lan"] }), ["api.lan"]);
    assert.deepEqual(hosts({ edgeHosts: ["ai.example.org", "fd00::5"] }), ["ai.example.org", "[fd00::5]"]);
  });

  describe("with cookies of one site", () => {
    const cookies = { authMode: "session", pageSite: "same-site" };

    it("is beside the page, when the page's own domain is in the tunnel's zone", () => {
      assert.doesNotThrow(() => parse({ ...pagesConfig, ...cookies, pagesDomain: "app.example.org" }));
    });

    it("is not where GitHub serves the page, which no key of the config lists", () => {
      const change = { ...pagesConfig, ...cookies };
      assert.deepEqual(keysOf(change), ["pageSite"]);
      assert.match(refused(change).message, /from https:\/\/owner\.github\.io/);
    });

    it("counts the tunnel's host names, and no others of Cloudflare's", () => {
      const page = (origin: string) => ({ ...tunnelConfig, ...cookies, corsOrigins: [origin] });
      assert.doesNotThrow(() => parse(page("https://other.example.org")));
      assert.deepEqual(keysOf(page("https://example.com")), ["pageSite"]);
    });

    it("counts no name that only the host's own certificate has, which no page calls", () => {
      const change = {
        ...cookies,
        certificateHosts: ["api.example.net"],
        corsOrigins: ["https://app.example.net"],
      };
      assert.deepEqual(keysOf({ ...tunnelConfig, ...change }), ["pageSite"]);
      assert.match(refused({ ...tunnelConfig, ...change }).message, /one of omniai:tunnelHostnames\./);
      assert.doesNotThrow(() => parse(change), "without a tunnel it is the API's own name");
      const left = { tunnelHostnames: ["api.example.org"], corsOrigins: ["https://app.example.org"] };
      assert.deepEqual(
        keysOf({ ...cookies, ...left }),
        ["pageSite"],
        "names of a tunnel that is off lead nowhere",
      );
    });
  });

  it("lets the page call the API from where GitHub serves it, as browsers write that", () => {
    const access = planPublicAccess(
      parse({ ...pagesConfig, corsOrigins: ["https://other.example"] }),
      "prod",
    );
    assert.equal(access.pageOrigin, "https://owner.github.io");
    assert.deepEqual(access.corsOrigins, ["https://other.example", "https://owner.github.io"]);
    assert.equal(access.pageRecord, undefined);
  });

  it("gives the page a record in the zone, when its name is there", () => {
    const own = planPublicAccess(parse({ ...pagesConfig, pagesDomain: "app.example.org" }), "prod");
    assert.equal(own.pageOrigin, "https://app.example.org");
    assert.deepEqual(own.pageRecord, { domain: "app.example.org", target: "owner.github.io" });
    const elsewhere = planPublicAccess(parse({ ...pagesConfig, pagesDomain: "app.example.com" }), "prod");
    assert.equal(elsewhere.pageRecord, undefined);
  });
});
