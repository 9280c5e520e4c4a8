/** Certificates by DNS-01: certbot, its plugin for Cloudflare, a real authority, and a stand-in for Cloudflare's API. */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { Authority } from "../support/acme/authority.ts";
import { CloudflareStandIn } from "../support/acme/cloudflare.ts";
import { startLoneRoom, type LoneRoom } from "../support/acme/lone-room.ts";
import { docker, type Room } from "../support/acme/room.ts";
import { eventually } from "../support/http.ts";

const ZONE = "example.test";
const HOSTS = [ZONE, `*.${ZONE}`];
const rights = {
  writer: { zones: [ZONE], edit: true },
  reader: { zones: [ZONE], edit: false },
  stranger: { zones: ["other.test"], edit: true },
};

describe("certificates of an authority, by records at Cloudflare", function () {
  this.timeout(240_000);
  let authority: Authority;
  let cloudflare: CloudflareStandIn;
  let lone: LoneRoom;
  let room: Room;

  before(async () => {
    lone = await startLoneRoom(HOSTS, async (address) => {
      authority = await Authority.create(address);
      await authority.start(0);
      cloudflare = await CloudflareStandIn.start(address, rights, (host, values) =>
        authority.write(host, values),
      );
      return {
        directory: authority.directory,
        authority: `${authority.certificate}${cloudflare.certificate}`,
        cloudflare: { token: "unknown", url: cloudflare.url },
      };
    });
    room = lone.room;
  });
  after(async () => {
    await lone?.remove();
    cloudflare?.close();
    await authority?.remove();
  });

  const problem = async (): Promise<string> => (await room.state()).problem ?? "";

  it("a token that nobody knows, one that may not write, and one of another zone are told with what to do", async () => {
    await eventually("the first try", 120, async () => (await room.state()).failures > 0);
    assert.match(await problem(), /^Cloudflare does not know the token: .*omniai:acmeCloudflareToken.*9109/);
    room.setToken("reader");
    await room.ask();
    assert.match(await problem(), /^Cloudflare does not let the token write the record: .*Zone, DNS, Edit/);
    room.setToken("stranger");
    await room.ask();
    assert.match(await problem(), /^Cloudflare shows the token no zone that has example\.test: /);
    assert.ok(!(await room.state()).ends);
    assert.ok(!/writer|reader|stranger|unknown/.test(await docker("logs", room.name)), "no token in the log");
  });

  it("one for all names of a zone is got with a record that is gone afterwards", async () => {
    const before = cloudflare.asked.length;
    room.setToken("writer");
    await room.ask();
    assert.equal(await problem(), "");
    const certificate = new X509Certificate(await room.certificate());
    assert.deepEqual(
      certificate.subjectAltName?.split(", ").sort(),
      HOSTS.map((host) => `DNS:${host}`).sort(),
    );
    const asked = cloudflare.asked.slice(before).map((line) => line.split(" ")[0]);
    assert.equal(asked.filter((method) => method === "POST").length, HOSTS.length);
    assert.deepEqual(cloudflare.records, []);
  });
});
