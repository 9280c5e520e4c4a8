/** Web push in a stack: what it contradicts, what it declares, and what its rooms must agree on. */
import { strict as assert } from "node:assert";
import { AT_ONCE } from "../../service/src/push/delivery.ts";
import { SEND_MS } from "../../service/src/push/sender.ts";
import { MOST_DEVICES } from "../../service/src/push/store.ts";
import { OPERATIONS } from "../../service/src/openapi.ts";
import { pushProblems } from "../components/backend/push-config.ts";
import { PUSH_HOOK_PATH, PUSH_SECONDS, renderPushGate } from "../components/monitoring/push-gate.ts";
import { unpack } from "./support/archive.ts";
import { COMMAND, CONTAINER, record, secretValue, type Recording } from "./support/recorder.ts";

const PASSWORD = "random:index/randomPassword:RandomPassword";

describe("a stack with web push", () => {
  const right = {
    ...{ webPush: true, webPushContact: "mailto:ops@example.org", webPushSerial: 1 },
    ...{ authMode: "session", monitoring: "auto", pageWithout: ["public"] },
  };
  const keys = (change: object): string[] => pushProblems({ ...right, ...change }).map(({ key }) => key);

  it("needs somebody to write to, logins, alerts, and the page's own way to show them", () => {
    assert.deepEqual(keys({}), []);
    assert.deepEqual(keys({ webPushContact: "" }), ["webPushContact"]);
    assert.deepEqual(keys({ authMode: "none" }), ["webPush"]);
    assert.deepEqual(keys({ monitoring: "never" }), ["webPush"]);
    assert.deepEqual(keys({ pageWithout: ["offline"] }), ["pageWithout"]);
    assert.deepEqual(keys({ pageWithout: ["diagnostics"] }), ["pageWithout"]);
  });

  it("needs nothing where it has none", () => {
    const off = { webPush: false, webPushContact: "", authMode: "none", monitoring: "never" };
    assert.deepEqual(keys({ ...off, pageWithout: ["offline", "diagnostics"] }), []);
  });
});

describe("the program, with web push", function () {
  this.timeout(20_000);
  const config = { webPush: true, webPushContact: "mailto:ops@example.org", authMode: "session" };
  let program: Recording;
  before(async () => {
    program = await record("dev", { ...config, monitoring: "always" });
  });
  const networks = (of: Recording, name: string): string[] =>
    (of.named(CONTAINER, `omniai-dev-${name}`).inputs["networksAdvanced"] as { name: string }[]).map((one) =>
      one.name.replace("omniai-dev-", ""),
    );
  const filesOf = async (workload: string): Promise<Record<string, string>> => {
    const { inputs } = program.named(COMMAND, `omniai-dev-${workload}-files`);
    const files = await unpack(secretValue(inputs["stdin"]));
    return Object.fromEntries(files.map(({ name, content }) => [name, content]));
  };

  it("gives the replicas a key and Alertmanager's token in files, and Alertmanager the same token", async () => {
    const [backend, alertmanager] = [await filesOf("backend"), await filesOf("alertmanager")];
    assert.ok((backend["push-key"] ?? "").length >= 32);
    assert.notEqual(backend["push-key"], backend["push-hook-secret"]);
    assert.equal(alertmanager["push-hook-secret"], backend["push-hook-secret"]);
    const envs = program.named(CONTAINER, "omniai-dev-backend-1").inputs["envs"] as string[];
    assert.deepEqual(
      envs.filter((line) => line.includes("PUSH")),
      [
        "OMNIAI_PUSH_CONTACT=mailto:ops@example.org",
        "OMNIAI_PUSH_GATE_URL=http://push-gate:9096/live",
        "OMNIAI_PUSH_HOOK_SECRET_FILE=/run/secrets/push-hook-secret",
        "OMNIAI_PUSH_KEY_FILE=/run/secrets/push-key",
      ],
    );
    assert.match(
      alertmanager["alertmanager.yml"] ?? "",
      /"credentials_file": "\/run\/secrets\/push-hook-secret"/,
    );
  });

  it("lets Alertmanager and the replicas meet nowhere but at a gate, which nobody outside reaches", () => {
    const [alertmanager, gate, replica] = ["alertmanager", "push-gate", "backend-1"].map((name) =>
      networks(program, name),
    );
    assert.deepEqual(alertmanager, ["monitoring"]);
    assert.deepEqual(gate, ["monitoring", "metrics"]);
    assert.ok(!replica?.includes("monitoring"), replica?.join());
    assert.deepEqual(program.named(CONTAINER, "omniai-dev-push-gate").inputs["ports"], []);
  });

  it("makes another key when its serial is raised, and the token stays", async () => {
    const keepers = (of: Recording, name: string): unknown =>
      of.named(PASSWORD, `omniai-dev-${name}`).inputs["keepers"];
    assert.deepEqual(keepers(program, "push-key"), { serial: "1" });
    const raised = await record("dev", { ...config, monitoring: "always", webPushSerial: 2 });
    assert.deepEqual(keepers(raised, "push-key"), { serial: "2" });
    assert.deepEqual([keepers(program, "push-hook"), keepers(raised, "push-hook")], [undefined, undefined]);
  });

  it("is not there where it is off, and in a stack that nobody watches there is no gate", async () => {
    const named = (of: Recording): string[] =>
      of.resources.map(({ name }) => name).filter((name) => /push/.test(name));
    assert.deepEqual(named(await record("dev", { monitoring: "always" })), []);
    const unwatched = named(await record("dev", config));
    assert.ok(!unwatched.some((name) => name.includes("push-gate")), unwatched.join());
  });
});

describe("what the rooms agree on about web push", () => {
  it("is the path that the gate lets through: one that the service has on its internal port", () => {
    const served = OPERATIONS.filter(({ path }) => path === PUSH_HOOK_PATH);
    assert.deepEqual(
      served.map(({ method, ports }) => [method, ports]),
      [["post", ["internal"]]],
    );
    assert.match(renderPushGate(9000), new RegExp(`location = ${PUSH_HOOK_PATH} `));
    assert.match(renderPushGate(9000), /proxy_pass http:\/\/\$replicas:9000;/);
  });

  it("is how long Alertmanager waits: until PostgreSQL was asked, and then every device tried", () => {
    const deviceSeconds = Math.ceil(MOST_DEVICES / AT_ONCE) * (SEND_MS / 1000);
    assert.ok(deviceSeconds + 4 <= PUSH_SECONDS, String(deviceSeconds));
  });
});
