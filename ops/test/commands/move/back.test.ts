/** What a way back of a move asks before it removes anything. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import { checkStillOld } from "../../../commands/move/taking-up.ts";
import { planBackend } from "../../../stack/backend.ts";
import { types, type State } from "../../../stack/state.ts";
import { OpsError } from "../../../terminal/errors.ts";

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
});
