/** Who starts the engine on a machine. */
import { strict as assert } from "node:assert";
import { chooseStarter, type InitFacts } from "../../engine/init-system.ts";

describe("engine: who starts it", () => {
  const nothing: InitFacts = {
    pid1: "sh",
    systemdBooted: false,
    unit: false,
    openrcRuns: false,
    initctl: false,
    initScript: false,
  };
  it("is the init system that really runs, else this program", () => {
    assert.equal(chooseStarter({ ...nothing, pid1: "systemd", systemdBooted: true, unit: true }), "systemd");
    assert.equal(chooseStarter({ ...nothing, pid1: "systemd", systemdBooted: true }), "direct");
    assert.equal(chooseStarter({ ...nothing, pid1: "init", openrcRuns: true, initScript: true }), "openrc");
    assert.equal(chooseStarter({ ...nothing, pid1: "init", initctl: true, initScript: true }), "sysv");
    // Installed but not running: a container, a small virtual machine, WSL.
    assert.equal(chooseStarter({ ...nothing, unit: true, initScript: true }), "direct");
    assert.equal(chooseStarter({ ...nothing, pid1: "init", initScript: true }), "direct");
    assert.equal(chooseStarter(nothing), "direct");
  });
});
