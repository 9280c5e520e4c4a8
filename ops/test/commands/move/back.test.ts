/** What a way back of a move asks before it removes anything. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import { mayBeLost, refuseAnswering } from "../../../commands/move/new-machine.ts";
import { checkStillOld } from "../../../commands/move/taking-up.ts";
import { planBackend } from "../../../stack/backend.ts";
import { types, type State } from "../../../stack/state.ts";
import { refusal } from "../../../engine/ssh/tunnel.ts";
import { AwayError, OpsError } from "../../../terminal/errors.ts";

const engine = (ID: string, Name: string): Docker =>
  ({ info: () => Promise.resolve({ ID, Name }) }) as unknown as Docker;

describe("a way back of a move", () => {
  const known = (id: string): State => ({
    resources: [
      {
        ...{ urn: "urn:pulumi:prod::omniai::t::omniai-prod-engine", type: types.command },
        outputs: { stdout: JSON.stringify({ id, name: id.toLowerCase() }) },
      },
    ],
  });
  const check = (id: string): Promise<void> =>
    checkStillOld({
      ...{ docker: engine("OLD", "old"), dockerHost: "ssh://deploy@old", stack: "prod" },
      ...{ backend: planBackend("/checkout", {}), state: known(id) },
    });

  it("removes nothing where somebody has brought the stack to another machine since", async () => {
    await check("OLD");
    await assert.rejects(check("NEW"), (error: unknown) => {
      assert.ok(error instanceof OpsError);
      assert.match(error.message, /its state knows the engine "new" \(NEW\)/);
      assert.match(error.remedy, /by other means since the move began[^]*move\/prod\.json/);
      return true;
    });
  });

  it("gives no machine up for lost that answers, and waits for none for ever", async () => {
    const back = (connecting: Promise<Docker>): Promise<void> =>
      refuseAnswering(connecting, "prod", "deploy@new", 20);
    await assert.rejects(back(Promise.resolve(engine("NEW", "new"))), (error: unknown) => {
      assert.ok(error instanceof OpsError);
      assert.match(error.message, /deploy@new answers, so it is not lost[^]*Nothing was changed/);
      assert.match(error.remedy, /go on without --lost: npm run move -- --back --stack prod/);
      return true;
    });
    await back(Promise.reject(new AwayError("no route", "")));
    await back(new Promise(() => undefined));
  });

  it("speaks of a lost machine only where none answers", () => {
    const login = { address: { host: "new", destination: "deploy@new" }, hostKey: "key" };
    const said = (words: string): boolean =>
      mayBeLost(
        refusal({ ...login, privateKey: undefined } as unknown as Parameters<typeof refusal>[0], words),
      );
    for (const words of ["ssh: connect to host new port 22: Connection timed out", "No route to host"])
      assert.ok(said(words), words);
    for (const words of ["Host key verification failed.", "deploy@new: Permission denied (publickey)."])
      assert.ok(!said(words), words);
    assert.ok(!mayBeLost(new OpsError("leads to another engine", "")));
  });
});
