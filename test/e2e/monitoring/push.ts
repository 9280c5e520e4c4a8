/**
 * Web push from end to end: the real Alertmanager with the configuration that the program renders, the service's own code, and a
 * push service of the test's, where a browser reads what arrived. In a stack a gate is between the first two; the stack of
 * monitoring.test.ts has that.
 */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planAlertmanager } from "../../../infra/components/monitoring/plan.ts";
import { PUSH_GATE, PUSH_GATE_URL } from "../../../infra/components/monitoring/push-gate.ts";
import {
  PUSH_FILE,
  renderAlertmanager,
  SECRETS,
  TEMPLATES,
} from "../../../infra/components/monitoring/receivers.ts";
import { execIn } from "../../../ops/engine/exec.ts";
import { addUser, ask, bearer, loginTokens, startAuth } from "../../../service/test/support/auth.ts";
import type { Instance } from "../../../service/test/support/instance.ts";
import {
  PUSH_HOOK,
  pushEnvironment,
  startPushService,
  type PushService,
  type TestDevice,
} from "../../../service/test/support/push-service.ts";
import { gatewayOf } from "../../support/alert-receiver.ts";
import { eventually } from "../../support/http.ts";
import { docker } from "../../support/stack.ts";

/** @param image the id of Alertmanager's image. */
export function pushes(image: () => Promise<string>): void {
  const folder = mkdtempSync(join(tmpdir(), "omniai-push-"));
  const name = `omniai-test-push-${randomBytes(4).toString("hex")}`;
  let push: PushService;
  let service: Instance;
  let device: TestDevice;

  before("an Alertmanager, a replica, and a device of somebody who may see alerts", async () => {
    await docker.createNetwork({ Name: name, Driver: "bridge" });
    const host = await gatewayOf(name);
    push = await startPushService();
    service = await startAuth(
      "token",
      {
        OMNIAI_HOST: host,
        // Where Alertmanager expects the gate.
        OMNIAI_INTERNAL_PORT: new URL(PUSH_GATE_URL).port,
        ...pushEnvironment,
      },
      { pushReach: push.reach },
    );
    const at = { url: `http://${host}:${service.port}` };
    const headers = bearer((await loginTokens(at, await addUser(["diag:read"]))).accessToken);
    const { body } = await ask<{ publicKey: string }>(at, "GET", "/api/push", { headers });
    device = push.subscribe(body.publicKey);
    const added = await ask(at, "POST", "/api/push", { body: device.body(), headers });
    assert.equal(added.status, 200, JSON.stringify(added.body));
    chmodSync(folder, 0o755);
    const files = {
      "alertmanager.yml": renderAlertmanager([], { watchdog: undefined, isPushed: true }),
      "omniai.tmpl": TEMPLATES,
      [PUSH_FILE]: PUSH_HOOK,
    };
    for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
    const container = await docker.createContainer({
      ...{ name, Image: await image(), Cmd: [...(planAlertmanager().command as string[])] },
      HostConfig: {
        ...{ NetworkMode: name, Binds: [`${folder}:${SECRETS}:ro`], Tmpfs: { "/alertmanager": "mode=1777" } },
        ExtraHosts: [`${PUSH_GATE}:${host}`],
      },
    });
    await container.start();
  });
  after(async () => {
    await service?.stop();
    await push?.close();
    await docker.getContainer(name).remove({ force: true, v: true });
    await docker.getNetwork(name).remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const send = (...more: string[]) =>
    execIn(docker, name, [
      ...["amtool", "--alertmanager.url=http://127.0.0.1:9093", "alert", "add", "alertname=DiskFilling"],
      ...["severity=critical", "stack=prod", "--annotation=summary=The disk is 95 % full.", ...more],
    ]);

  it("tells a device of an alert, though its push service was busy at first, and when it is over", async () => {
    device.answer = () => ({ status: 503, retryAfter: "1" });
    await eventually("Alertmanager", 30, async () => (await send()).exitCode === 0);
    await eventually("a message that is not taken", 60, () => device.tries > 0);
    device.answer = undefined;
    await eventually("the message", 90, () => device.pushed.length > 0);
    const [{ payload, urgency } = assert.fail()] = device.pushed;
    assert.deepEqual(
      [payload.title, payload.body, urgency],
      ["critical: DiskFilling (prod)", "The disk is 95 % full.", "high"],
    );
    await send(`--end=${new Date(Date.now() - 1000).toISOString()}`);
    await eventually("its end", 120, () => device.pushed.length > 1);
    assert.deepEqual(
      device.pushed.map((one) => [one.payload.title, one.topic]),
      [
        ["critical: DiskFilling (prod)", payload.tag],
        ["over: DiskFilling (prod)", payload.tag],
      ],
    );
  });
}
