/**
 * Attacks on a whole stack, through the edge and the service. More attacks on the edge alone are in edge.test.ts.
 */
import { bombs, rateLimits, slowness } from "./attacks/load.ts";
import { directAccess, packages, secrets, transport } from "./attacks/host.ts";
import { injection, pollution, regexes } from "./attacks/input.ts";
import { cookies, corsMisconfiguration, csrf } from "./attacks/pages.ts";
import { exhaustion, follow, throughProxy, type Bystander } from "./attacks/streams.ts";
import { Target } from "./attacks/target.ts";
import { loginLimit, users } from "./attacks/users.ts";
import { sensitivePaths, smuggling, splitting, traversal } from "./attacks/wire.ts";

describe("attacks", function () {
  this.timeout(120_000);
  let target: Target | undefined;
  let bystander: Bystander | undefined;
  const get = (): Target => {
    if (!target) throw new Error("the stack is not up");
    return target;
  };
  const besides = (): Bystander => {
    if (!bystander) throw new Error("nobody follows the events");
    return bystander;
  };

  before("one stack for all", async function () {
    this.timeout(400_000);
    target = await Target.create();
    bystander = follow(target);
  });
  after(async function () {
    this.timeout(120_000);
    bystander?.close();
    await target?.remove();
  });

  describe("users, before any attack", () => users(get));
  describe("CSRF", () => csrf(get));
  describe("CORS misconfiguration", () => corsMisconfiguration(get));
  describe("cookie theft and fixation", () => cookies(get));
  describe("request smuggling", () => smuggling(get));
  describe("header and response splitting", () => splitting(get));
  describe("rate-limit evasion", () => rateLimits(get));
  describe("slowloris, slow bodies, slow readers", () => slowness(get));
  describe("huge bodies and bombs", () => bombs(get));
  describe("exhaustion by streams", () => exhaustion(get));
  describe("streams through the proxy", () => throughProxy(get, besides));
  describe("path traversal", () => traversal(get));
  describe("sensitive paths", () => sensitivePaths(get));
  describe("regular expressions that take for ever", () => regexes(get));
  describe("prototype pollution", () => pollution(get));
  describe("injection into SQL and logs", () => injection(get));
  describe("direct access", () => directAccess(get));
  describe("tools for whoever broke in", () => packages(get));
  describe("leaked secrets", () => secrets(get));
  describe("TLS", () => transport(get));
  describe("logins of one address", () => loginLimit(get));
});
