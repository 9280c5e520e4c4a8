/** Addresses of engines behind SSH. */
import { strict as assert } from "node:assert";
import { parseSshAddress, sshLogin } from "../ssh-address.ts";

describe("an address that begins with ssh://", () => {
  it("names what it names, and leaves the rest to ~/.ssh/config", () => {
    assert.deepEqual(parseSshAddress("ssh://alias"), { host: "alias" });
    assert.deepEqual(parseSshAddress("ssh://deploy@Host.example:2222"), {
      host: "Host.example",
      user: "deploy",
      port: "2222",
    });
    assert.deepEqual(parseSshAddress("ssh://deploy@[2001:db8::1]/run/user/1000/docker.sock"), {
      host: "2001:db8::1",
      user: "deploy",
      socket: "/run/user/1000/docker.sock",
    });
    assert.deepEqual(parseSshAddress("ssh://a_b/"), { host: "a_b" });
  });

  it("is not one of another kind, and no option of ssh", () => {
    for (const address of [
      "unix:///run/docker.sock",
      "tcp://host:2375",
      "ssh://",
      "ssh://-oProxyCommand=x",
      "",
    ])
      assert.equal(parseSshAddress(address), undefined, address);
  });

  it("becomes what ssh is told", () => {
    assert.deepEqual(sshLogin({ host: "alias" }), []);
    assert.deepEqual(sshLogin({ host: "h", user: "deploy", port: "22" }), ["-l", "deploy", "-p", "22"]);
  });
});
