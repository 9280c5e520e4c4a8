/** `npm run stack -- unlock`, where there is nothing for it to do. The tests of a remote stack remove a lock in a bucket. */
import { strict as assert } from "node:assert";
import { refuseFolder } from "../../../commands/stack/unlock.ts";
import { planBackend } from "../../../stack/backend.ts";
import { exit, type OpsError } from "../../../terminal/errors.ts";

describe("stack unlock", () => {
  const refused = (url?: string): OpsError | undefined => {
    try {
      refuseFolder("prod", planBackend("/checkout", url === undefined ? {} : { PULUMI_BACKEND_URL: url }));
      return undefined;
    } catch (error) {
      return error as OpsError;
    }
  };

  it("is refused for a state in a folder, where every command judges a lock by itself", () => {
    for (const url of [undefined, "file:///srv/state"]) {
      const error = refused(url);
      assert.equal(error?.exitCode, exit.usage);
      assert.match(error.message, /state of stack prod is in a folder \(\/(checkout\/\.state|srv\/state)\)/);
      assert.match(error.remedy, /npm run status -- --stack prod/);
    }
  });

  it("is for a bucket and for Pulumi's service", () => {
    for (const url of ["s3://state?region=us-east-1", "https://api.pulumi.com"])
      assert.equal(refused(url), undefined, url);
  });
});
