/** What a way back of a move, and a move that is taken up, ask and do first. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { closeBehind, mayBeLost, refuseAnswering } from "../../../commands/move/new-machine.ts";
import { checkStillOld, serveMeanwhile } from "../../../commands/move/taking-up.ts";
import { planBackend } from "../../../stack/backend.ts";
import { readProgress, type MoveProgress } from "../../../stack/move-progress.ts";
import { ROOT } from "../../../stack/place.ts";
import type { Session } from "../../../stack/session.ts";
import { readSettings } from "../../../stack/settings.ts";
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
    const said = (words: string): boolean => mayBeLost(refusal({ ...login, privateKey: undefined }, words));
    for (const words of ["ssh: connect to host new port 22: Connection timed out", "No route to host"])
      assert.ok(said(words), words);
    for (const words of ["Host key verification failed.", "deploy@new: Permission denied (publickey)."])
      assert.ok(!said(words), words);
    assert.ok(!mayBeLost(new OpsError("leads to another engine", "")));
  });

  describe("from a stop that may have gone further than the file says", () => {
    const stopping: MoveProgress = {
      ...{ step: "stopping", host: "deploy@new", access: { dockerHost: "ssh://deploy@new" } },
      ...{ file: "config: {}\n", ran: ["a"] },
    };
    /** An engine with an edge alone, whose link leads to this release. @param done what was done with the edge */
    function withEdge(release: string, done: string[]): Docker {
      const does = (what: string) => (): Promise<void> => Promise.resolve(void done.push(what));
      const Config = { Labels: { "io.omniai.workload": "edge" }, Image: "edge" };
      const State = { Status: "running", StartedAt: "2026-01-02T03:04:05Z" };
      const edge = {
        inspect: () =>
          Promise.resolve({ ...{ Id: "e", Name: "/edge", Config, State, HostConfig: {} }, RestartCount: 0 }),
        getArchive: () => {
          const tar = pack();
          tar.entry({ name: "current", type: "symlink", linkname: `releases/${release}` });
          tar.finalize();
          return Promise.resolve(tar);
        },
        ...{ stop: does("stop"), start: does("start"), remove: does("remove") },
      };
      return {
        listContainers: () => Promise.resolve([{ Id: "e", Image: "edge" }]),
        listImages: () => Promise.resolve([]),
        getContainer: () => edge,
      } as unknown as Docker;
    }
    let folder: string;
    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "omniai-move-"))));
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    it("goes nowhere where the new edge has served: the same command goes on from the fence then", async () => {
      const [backend, done] = [planBackend(folder, {}), [] as string[]];
      await assert.rejects(
        closeBehind(withEdge("abc", done), { stack: "prod", backend }, stopping),
        /edge on deploy@new has served already/,
      );
      assert.deepEqual(done, ["stop", "start"]);
      assert.equal(readProgress(backend, "prod")?.step, "fenced");
    });

    it("serves where it was when the move is taken up, also where the new machine does not answer", async () => {
      const backend = planBackend(folder, {});
      const done: string[] = [];
      const replica = {
        inspect: () =>
          Promise.resolve({
            ...{ Id: "a", Name: "/a", RestartCount: 0, Created: "", HostConfig: {} },
            Config: { Labels: { "io.omniai.workload": "backend" }, Image: "backend" },
            State: { Status: "exited", StartedAt: "2026-01-02T03:04:05Z" },
          }),
        start: () => Promise.resolve(void done.push("start")),
      };
      const docker = {
        info: () => Promise.resolve({ ID: "OLD", Name: "old" }),
        listContainers: () => Promise.resolve([{ Id: "a", Image: "backend" }]),
        listImages: () => Promise.resolve([]),
        listVolumes: () => Promise.resolve({ Volumes: [] }),
        getContainer: () => replica,
      };
      const session = (id: string): Session =>
        ({
          ...{ docker, dockerHost: "ssh://deploy@old", stack: "prod", backend, context: { env: {} } },
          settings: readSettings(ROOT, "dev"),
          handle: { state: { exportStack: () => Promise.resolve({ deployment: known(id) }) } },
        }) as unknown as Session;
      const before = {
        ...{ ...stopping, access: { dockerHost: "tcp://127.0.0.1:1" } },
        engines: { old: "OLD", fresh: "NEW" },
      };
      const options = { stack: "prod", maxDowntime: 60 };
      await assert.rejects(serveMeanwhile(options, session("NEW"), before), /is on another Docker engine/);
      assert.deepEqual([done, readProgress(backend, "prod")], [[], undefined]);
      assert.equal((await serveMeanwhile(options, session("OLD"), before)).step, "copying");
      assert.deepEqual(done, ["start"]);
      assert.equal(readProgress(backend, "prod")?.step, "copying");
    });

    it("closes an edge that let nobody in, and does not ask where an earlier way back has", async () => {
      const backend = planBackend(folder, {});
      for (const [release, before, wanted] of [
        ["first", stopping, ["stop", "remove"]],
        ["abc", { ...stopping, identities: { data: "id" } }, ["remove"]],
      ] as const) {
        const done: string[] = [];
        await closeBehind(withEdge(release, done), { stack: "prod", backend }, before);
        assert.deepEqual(done, wanted);
        assert.equal(readProgress(backend, "prod"), undefined);
      }
    });
  });
});
