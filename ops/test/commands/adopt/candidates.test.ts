/** Which container is adopted, and which command counts as carried out. */
import { strict as assert } from "node:assert";
import type { ContainerInspectInfo } from "dockerode";
import { ENGINE_FOLDER_SCRIPT } from "../../../../infra/components/monitoring/engine-folder.ts";
import { ENGINE_SCRIPT, engineRecordName } from "../../../../infra/resources/engine-record.ts";
import { GATE_SCRIPT } from "../../../../infra/resources/gate.ts";
import { claimName } from "../../../../infra/resources/volume.ts";
import { inClouds, isUnfinished } from "../../../commands/adopt/adopt.ts";
import { best, refuseTwins } from "../../../commands/adopt/candidates.ts";
import { carriedOut } from "../../../commands/adopt/commands.ts";
import { secretOutput, type Planned } from "../../../commands/adopt/entries.ts";
import type { Change } from "../../../stack/audit.ts";
import { recordedEngine } from "../../../stack/identity.ts";
import type { OpsError } from "../../../terminal/errors.ts";

const labels = (workload: string, replica = 1) => ({
  "io.omniai.workload": workload,
  "io.omniai.replica": String(replica),
});

interface Wanted {
  readonly image?: string;
  readonly made?: string;
  readonly health?: string;
  readonly state?: string;
  readonly of?: Record<string, string>;
}

const container = (id: string, wanted: Wanted = {}): ContainerInspectInfo => {
  const { image = "old", made = "1", health = "healthy", state = "running", of = labels("backend") } = wanted;
  return {
    Id: id,
    Name: `/${id}`,
    Image: image,
    Created: `2026-01-0${made}T00:00:00.000000000Z`,
    State: { Status: state, Health: { Status: health } },
    Config: { Labels: of },
  } as unknown as ContainerInspectInfo;
};

describe("the container that is adopted", () => {
  const chosen = (...containers: ContainerInspectInfo[]): string | undefined =>
    best(containers, labels("backend"), "new")?.Id;

  it("is the one that serves, not the newer one that a failed deploy of this very plan left behind", () => {
    for (const bad of [{ health: "unhealthy" }, { health: "starting" }, { state: "exited" }])
      assert.equal(chosen(container("b", { ...bad, image: "new", made: "2" }), container("a")), "a");
  });

  it("is of the planned image, then the newest, where health tells nothing", () => {
    const sick = { health: "unhealthy" };
    assert.equal(
      chosen(container("a", { ...sick, made: "2" }), container("b", { ...sick, image: "new" })),
      "b",
    );
    assert.equal(chosen(container("a", sick), container("b", { ...sick, made: "2" })), "b");
  });

  it("is of the same workload and replica", () => {
    assert.equal(chosen(container("a", { of: labels("backend", 2) }), container("b", { of: {} })), undefined);
    assert.equal(best([container("a", { of: {} })], {}, "old"), undefined);
  });

  it("has no healthy twin, which the next deploy would remove at once", () => {
    refuseTwins([container("a"), container("b", { health: "unhealthy" })], "prod");
    refuseTwins([container("a"), container("b", { of: labels("backend", 2) })], "prod");
    refuseTwins([container("a", { of: {} }), container("b", { of: {} })], "prod");
    assert.throws(
      () => refuseTwins([container("a"), container("b")], "prod"),
      (error: OpsError) => /backend 1: a .*, b /.test(error.message) && /--stack prod/.test(error.remedy),
    );
  });
});

describe("a command that is adopted", () => {
  const engine = { ID: "E1", Name: "host", DockerRootDir: "/srv/docker" };
  const said = (name: string, inputs: Record<string, unknown>, containers: ContainerInspectInfo[] = []) =>
    carriedOut({ urn: `urn::${name}`, inputs } as unknown as Planned, { stack: "dev", containers, engine });

  it("is a gate only of a container that is healthy", () => {
    const gate = { create: GATE_SCRIPT, environment: { CONTAINER: "a" } };
    assert.equal(said("gate", gate, [container("a")]), "");
    assert.equal(said("gate", gate, [container("a", { health: "unhealthy" }), container("b")]), undefined);
    assert.equal(said("gate", gate, [container("a", { state: "exited" })]), undefined);
    assert.equal(said("gate", gate), undefined);
  });

  it("says what it said, where the program or ops reads that", () => {
    const name = engineRecordName("dev");
    const stdout = said(name, { create: ENGINE_SCRIPT });
    const state = {
      resources: [{ urn: `urn::${name}`, type: "command:local:Command", outputs: { stdout } }],
    };
    assert.deepEqual(recordedEngine(state, "dev"), { id: "E1", name: "host" });
    assert.equal(said("folder", { create: ENGINE_FOLDER_SCRIPT }), "/srv/docker");
  });

  it("is a claim of known data, or one that a secret has carried out once more; every other is carried out by the next deploy", () => {
    assert.equal(said(claimName("dev", "redis"), { create: "docker run claim" }), "");
    assert.equal(said("files", { create: "docker run files", stdin: secretOutput("x") }), "");
    assert.equal(said("migrate", { create: "docker run migrate" }), undefined);
    assert.equal(said("first", { create: "docker run first", stdin: "not secret" }), undefined);
  });
});

describe("an adoption", () => {
  const change = (action: string, to?: string) => ({ action, to }) as unknown as Change;

  it("goes on with a state that an adoption has made, until a deploy has used it", () => {
    assert.ok(isUnfinished([change("up", "b1"), change("adopt"), change("up")]));
    assert.ok(!isUnfinished([change("adopt", "b1"), change("up", "b1")]));
    assert.ok(!isUnfinished([change("adopt"), change("down")]));
    assert.ok(!isUnfinished([]));
  });

  it("names what is on no engine", () => {
    const plan = [
      "cloudflare:index/dnsRecord:DnsRecord",
      "docker:index/volume:Volume",
      "github:index/x:X",
    ].map((type) => ({ type, custom: true }) as unknown as Planned);
    assert.deepEqual(
      inClouds(plan).map(({ type }) => type.split(":")[0]),
      ["cloudflare", "github"],
    );
  });
});
