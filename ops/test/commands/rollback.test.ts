/** What a rollback looks at before it changes anything. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { checkPolicies } from "../../commands/rollback.ts";
import { readConfigFiles } from "../../stack/config-files.ts";
import { policiesAreMandatory } from "../../stack/deploy.ts";
import type { StackHandle } from "../../stack/open-stack.ts";
import type { Place } from "../../stack/place.ts";
import { checkedSettings, imageNames } from "../../stack/settings.ts";
import { knownConfig } from "../../stack/use-version.ts";
import { exit, type OpsError } from "../../terminal/errors.ts";

const ROOT = join(import.meta.dirname, "../../..");

describe("a rollback", () => {
  const files = readConfigFiles(ROOT, "staging");
  const place = { stack: "staging", settings: checkedSettings("staging", files) } as unknown as Place;

  it("makes ready the images of the version's own config, and none to build from", () => {
    const config = knownConfig(place, { "omniai:redisImage": "mirror.example.org/redis:8.0" });
    assert.ok(config);
    const names = imageNames("staging", config, false);
    assert.ok(names.includes("mirror.example.org/redis:8.0"), names.join());
    assert.ok(!names.includes(place.settings.config.redisImage ?? "none"), "not those of today's config");
    assert.ok(!names.includes(config.nodeImage ?? ""), names.join());
    assert.equal(knownConfig(place, undefined), undefined);
  });

  it("looks at the policies first wherever they stop it, by the config that it goes back to", () => {
    assert.ok(policiesAreMandatory("staging", {}));
    assert.ok(policiesAreMandatory("mine", { environment: "prod" }));
    assert.ok(!policiesAreMandatory("mine", {}));
  });

  /** A program whose preview violates a rule, or fails otherwise. */
  const handle = (violates: boolean): StackHandle =>
    ({
      program: {
        preview: ({ onEvent, configFile }: { onEvent: (event: unknown) => void; configFile: string }) => {
          assert.equal(configFile, "former.yaml");
          const policyEvent = {
            policyName: "container-user",
            message: "A rule.\nomniai-staging-x runs as root",
            enforcementLevel: "mandatory",
          };
          if (violates) onEvent({ policyEvent });
          throw new Error("preview failed");
        },
      },
      options: { configFile: "present.yaml" },
    }) as unknown as StackHandle;
  const refused = async (violates: boolean, keepsConfig: boolean): Promise<OpsError> => {
    const options = { configFile: "former.yaml" } as StackHandle["options"];
    try {
      await checkPolicies({ stack: "staging", handle: handle(violates) }, options, keepsConfig);
    } catch (error) {
      return error as OpsError;
    }
    return assert.fail("nothing was refused");
  };

  it("stops before anything is touched where the former config breaks a rule, and says how to go back without it", async () => {
    const error = await refused(true, false);
    assert.equal(error.exitCode, exit.policy);
    assert.match(error.message, /container-user: omniai-staging-x runs as root.*Nothing was changed/s);
    assert.match(error.remedy, /npm run rollback -- --keep-config --stack staging/);
  });

  it("says no such thing where the config stays, or where something else is wrong", async () => {
    assert.doesNotMatch((await refused(true, true)).remedy, /--keep-config/);
    assert.doesNotMatch((await refused(false, false)).remedy, /--keep-config/);
  });
});
