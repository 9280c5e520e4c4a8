/** Stacks whose servers others run: what commands refuse, and how a stack goes over. */
import { strict as assert } from "node:assert";
import {
  describeExternal,
  externalData,
  refuseExternal,
  refuseReplacing,
  refuseWithoutDumps,
} from "../../stack/external.ts";
import { describeLeftBackups, isLeft, leftBehind } from "../../stack/left-behind.ts";
import type { KnownConfig } from "../../stack/settings.ts";
import { types, type State } from "../../stack/state.ts";
import { OpsError } from "../../terminal/errors.ts";
import { urn } from "../support/state.ts";

const both: KnownConfig = { database: "external", redis: "external" };
const dumped: KnownConfig = { ...both, offsiteBucket: "https://s3.example.org/copies" };
/** What it throws, for a wrong use; empty where it lets pass. */
const saidBy = (check: () => void): string => {
  try {
    check();
    return "";
  } catch (error) {
    assert.ok(error instanceof OpsError);
    assert.equal(error.exitCode, 2);
    return `${error.message} ${error.remedy}`;
  }
};

describe("a server that others run", () => {
  it("keeps none of the stack's data, and a PostgreSQL takes the backups with it", () => {
    assert.deepEqual(externalData({}), []);
    assert.deepEqual(externalData({ database: "container", redis: "container" }), []);
    assert.deepEqual(externalData({ redis: "external" }), ["redis"]);
    assert.deepEqual(externalData(both), ["postgres", "backup", "redis"]);
  });

  it("leaves the stack its backups where dumps of it go off-site", () => {
    assert.deepEqual(externalData(dumped), ["postgres", "redis"]);
    assert.deepEqual(externalData({ ...dumped, backups: "never" }), ["postgres", "backup", "redis"]);
    assert.equal(
      saidBy(() => refuseWithoutDumps("prod", dumped, "a backup")),
      "",
    );
    assert.equal(
      saidBy(() => refuseWithoutDumps("prod", {}, "a backup")),
      "",
    );
    assert.match(
      saidBy(() => refuseWithoutDumps("prod", both, "a backup")),
      /so a backup is its provider's/,
    );
    const [postgres = "", redis = ""] = describeExternal(dumped);
    assert.match(postgres, /A dump of it is taken here each day; .*with its provider alone/);
    assert.doesNotMatch(redis + (describeExternal(both)[0] ?? ""), /dump/);
  });

  it("is never replaced by a dump: who wants that is told how a dump is loaded", () => {
    assert.equal(
      saidBy(() => refuseReplacing("prod", { database: "container" })),
      "",
    );
    for (const config of [both, dumped])
      assert.match(
        saidBy(() => refuseReplacing("prod", config)),
        /Nothing was done.*Loading a dump/,
      );
  });

  it("is named with what is not seen of it", () => {
    assert.deepEqual(describeExternal({}), []);
    const [postgres = "", redis = ""] = describeExternal(both);
    assert.match(postgres, /^PostgreSQL is external \(omniai:database\).*backups.*not seen from here/);
    assert.match(redis, /^Redis is external \(omniai:redis\)/);
  });

  it("is refused by name to commands that work on the stack's own", () => {
    const refused = (config: KnownConfig, key?: "database" | "redis"): string => {
      try {
        refuseExternal("prod", config, { what: "an upgrade", key });
        return "";
      } catch (error) {
        assert.ok(error instanceof OpsError);
        assert.equal(error.exitCode, 2);
        assert.match(error.remedy, /docs\/external-databases\.md/);
        return error.message;
      }
    };
    assert.equal(refused({}), "");
    assert.equal(refused({ redis: "external" }), "", "PostgreSQL is the stack's own");
    assert.match(
      refused(both),
      /PostgreSQL of stack prod is external \(omniai:database\), so an upgrade is its provider's\. Nothing was done/,
    );
    assert.match(refused({ redis: "external" }, "redis"), /Redis of stack prod is external/);
  });
});

describe("a stack that goes over to servers of others", () => {
  const named = (workload: string): string[] =>
    ["data", "identity", "claim"].map((what) => `omniai-dev-${workload}-${what}`);
  const stateOf = (...names: string[]): State => ({
    resources: names.map((name) => ({ urn: urn(name, types.volume), type: types.volume })),
  });
  const state = stateOf(
    ...["postgres", "redis", "backup"].flatMap(named),
    ...["omniai-dev-postgres-superuser", "omniai-dev-edge"],
  );
  const left = (external: string[], accepted: string[], of = state): string[] =>
    leftBehind({ stack: "dev", state: of, external }, accepted).map((one) =>
      one.slice(one.lastIndexOf("::") + 2),
    );

  it("leaves nothing behind where it keeps its own, or has had none", () => {
    assert.deepEqual(left([], []), []);
    assert.deepEqual(left(["postgres", "backup", "redis"], [], stateOf("omniai-dev-edge")), []);
  });

  it("is refused until somebody says that the data was brought over, with what to run and which volumes stay", () => {
    for (const accepted of [[], ["redis"]])
      assert.throws(
        () => left(["postgres", "backup"], accepted),
        (error) => {
          assert.ok(error instanceof OpsError);
          assert.match(
            error.message,
            /data of its own for postgres, and its config says now that others run that/,
          );
          assert.match(error.remedy, /npm run up -- --accept-empty postgres/);
          assert.match(error.remedy, /omniai-dev-postgres-data, omniai-dev-backup-data/);
          return true;
        },
      );
  });

  it("forgets the data, its identity and the password in it, and nothing else", () => {
    assert.deepEqual(left(["redis"], ["redis"]), named("redis"));
    assert.deepEqual(
      left(["postgres", "backup"], ["postgres"]).sort(),
      [...named("postgres"), ...named("backup"), "omniai-dev-postgres-superuser"].sort(),
    );
  });

  it("says that its backups stay behind and are read by nobody, and says nothing where they do not", () => {
    const urns = (...external: string[]): string[] =>
      leftBehind({ stack: "dev", state, external }, ["postgres", "redis"]);
    assert.match(
      describeLeftBackups("dev", urns("postgres", "backup")) ?? "",
      /No dumps .* any longer.*Volume omniai-dev-backup-data stays/,
    );
    assert.equal(describeLeftBackups("dev", urns("redis")), undefined);
  });

  it("is not asked for lost data of what it leaves behind", () => {
    const urns = leftBehind({ stack: "dev", state, external: ["redis"] }, ["redis"]);
    assert.deepEqual(
      ["postgres", "redis", "edge"].map((workload) => isLeft(state, "dev", urns, workload)),
      [false, true, false],
    );
  });
});
