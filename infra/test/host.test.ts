/** The host's steps as text, and its config. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { hostProblems } from "../components/host/config.ts";
import { renderStep, runAs, STEPS } from "../components/host/plan.ts";
import { ConfigError, findProblems } from "../config/problems.ts";
import type { StackConfig } from "../config/schema.ts";
import { defaults } from "./defaults.ts";

const KEY = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY=";
const settings = { user: "deploy", sshPort: 22, openPorts: [8443, 443] };

describe("the host's steps", () => {
  for (const step of STEPS) {
    it(`${step} is a script that any shell can read`, () => {
      const { status, stderr } = spawnSync("sh", ["-n"], {
        input: renderStep(step, settings),
        encoding: "utf8",
      });
      assert.equal(status, 0, stderr);
    });
  }

  it("carry their settings themselves, quoted", () => {
    const script = renderStep("firewall", { ...settings, user: "o'x" });
    assert.match(script, /^HOST_USER='o'\\''x'\nSSH_PORT='22'\nOPEN_PORTS='443 8443'\n/);
  });

  it("run as root, by sudo where the login is another", () => {
    assert.equal(runAs("root"), "sh -s");
    assert.equal(runAs("deploy"), "sudo -n sh -s");
  });

  it("refuse to run as anybody else", function () {
    if (process.getuid?.() !== 0) this.skip(); // needs the right to become somebody else
    const { status, stderr } = spawnSync("setpriv", ["--reuid", "65534", "sh", "-s"], {
      input: renderStep("time", settings),
      encoding: "utf8",
    });
    assert.equal(status, 1);
    assert.match(stderr, /needs root/);
  });
});

describe("the host's config", () => {
  const keys = (change: Record<string, unknown>): string[] =>
    findProblems({ ...defaults, ...change })
      .problems.map(({ key }) => key)
      .sort();

  it("is asked for nothing unless the host is to be prepared", () => {
    assert.deepEqual(hostProblems(defaults as StackConfig), []);
  });

  it("wants an address, its key and the same machine in dockerHost, all said at once", () => {
    assert.deepEqual(keys({ hostPrepare: true }), ["dockerHost", "hostAddress", "hostKey"]);
    const right = {
      hostPrepare: true,
      hostAddress: "h.example",
      hostKey: KEY,
      hostUser: "deploy",
      dockerHost: "ssh://deploy@h.example",
    };
    assert.deepEqual(keys(right), []);
    assert.deepEqual(keys({ ...right, dockerHost: "ssh://deploy@other.example" }), ["dockerHost"]);
    assert.deepEqual(keys({ ...right, hostKey: "SHA256:abc" }), ["hostKey"]);
  });

  it("refuses a user or a port in dockerHost that is not hostUser or hostPort", () => {
    const right = {
      hostPrepare: true,
      hostAddress: "h.example",
      hostKey: KEY,
      hostUser: "deploy",
      hostPort: 2222,
    };
    assert.deepEqual(keys({ ...right, dockerHost: "ssh://deploy@h.example:2222" }), []);
    assert.deepEqual(keys({ ...right, dockerHost: "ssh://root@h.example:2222" }), ["hostUser"]);
    assert.deepEqual(keys({ ...right, dockerHost: "ssh://deploy@h.example:22" }), ["hostPort"]);
    assert.deepEqual(keys({ ...right, dockerHost: "ssh://root@h.example:22" }), ["hostPort", "hostUser"]);
    assert.deepEqual(keys({ dockerHost: "ssh://root@h.example:2200" }), [], "nobody prepares this machine");
  });

  it("wants in dockerHost the user, and a port that is not 22: what is left out is another on every machine", () => {
    const right = { hostPrepare: true, hostAddress: "h.example", hostKey: KEY, hostUser: "deploy" };
    const said = (change: Record<string, unknown>): string =>
      new ConfigError("prod", findProblems({ ...defaults, ...right, ...change }).problems).message;
    assert.deepEqual(keys({ ...right, dockerHost: "ssh://deploy@h.example" }), []);
    assert.deepEqual(keys({ ...right, dockerHost: "ssh://deploy@h.example:22" }), []);
    const port = { hostPort: 2222, dockerHost: "ssh://deploy@h.example" };
    assert.deepEqual(keys({ ...right, ...port }), ["dockerHost"]);
    assert.match(said(port), /ssh:\/\/deploy@h\.example:2222/);
    const user = { dockerHost: "ssh://h.example" };
    assert.deepEqual(keys({ ...right, ...user }), ["dockerHost"]);
    assert.match(said(user), /ssh:\/\/deploy@h\.example,/);
    assert.deepEqual(
      keys({ dockerHost: "ssh://h.example" }),
      [],
      "an alias may lead to a machine that nobody prepares",
    );
  });

  it("takes no password in dockerHost, and shows none", () => {
    const { problems } = findProblems({ ...defaults, dockerHost: "ssh://deploy:canary@h.example" });
    assert.deepEqual(
      problems.map(({ key }) => key),
      ["dockerHost"],
    );
    const { message } = new ConfigError("prod", problems);
    assert.doesNotMatch(message, /canary/);
    assert.match(message, /ssh:\/\/deploy:\[not shown\]@h\.example/);
  });

  it("never shows the private key", () => {
    const { problems } = findProblems({ ...defaults, hostPrivateKey: "canary" }, { isEncrypted: () => true });
    assert.deepEqual(
      problems.map(({ key }) => key),
      ["hostPrivateKey"],
    );
    assert.doesNotMatch(new ConfigError("prod", problems).message, /canary/);
  });
});
