/** When the health check ends a replica. */
import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEAF_MISSES, findService, judge, type CheckState, type ServiceProcess } from "../../healing.mjs";

/** Checks one after the other. @returns after which of them the process was ended, counted from 1; undefined: never. */
function endedAfter(
  checks: readonly { service: ServiceProcess; hasAnswered: boolean }[],
): number | undefined {
  let last: CheckState | undefined;
  for (const [index, { service, hasAnswered }] of checks.entries()) {
    const { next, why } = judge(last, service, hasAnswered);
    if (why !== undefined) return index + 1;
    last = next ?? last;
  }
  return undefined;
}

const service = (cpu: number, start = 100): ServiceProcess => ({ pid: 7, start, cpu });
const answer = { service: service(10), hasAnswered: true };
const silence = (cpu: number, start = 100) => ({ service: service(cpu, start), hasAnswered: false });

describe("a replica that does not answer its health check", () => {
  it("is ended after two misses when it used no CPU time between them", () => {
    assert.equal(endedAfter([answer, silence(20), silence(20)]), 3);
  });

  it("is left alone as long while it uses CPU time: it may be starved", () => {
    const starved = Array.from({ length: DEAF_MISSES - 1 }, (_, index) => silence(20 + index));
    assert.equal(endedAfter([answer, ...starved]), undefined);
    assert.equal(endedAfter([answer, ...starved, silence(99)]), 1 + DEAF_MISSES);
  });

  it("starts its count again with every answer", () => {
    assert.equal(endedAfter([answer, silence(20), answer, silence(20), answer]), undefined);
  });

  it("is left alone before its first answer: it is starting", () => {
    assert.equal(endedAfter(Array.from({ length: 30 }, () => silence(5))), undefined);
  });

  it("is not blamed for what a process before it missed", () => {
    assert.equal(endedAfter([answer, silence(20), silence(20, 200), silence(20, 200)]), undefined);
  });

  it("is not ended when there is no such process", () => {
    assert.deepEqual(judge({ ...service(1), misses: 30 }, undefined, false), {
      next: undefined,
      why: undefined,
    });
  });
});

describe("finding the service's process", () => {
  const proc = mkdtempSync(join(tmpdir(), "omniai-proc-"));
  after(() => rmSync(proc, { recursive: true, force: true }));
  const add = (pid: number, name: string, parent: number, cpu: number, start: number): void => {
    mkdirSync(join(proc, String(pid)));
    const zeros = Array<number>(9).fill(0).join(" ");
    writeFileSync(
      join(proc, String(pid), "stat"),
      `${pid} (${name}) S ${parent} ${zeros} ${cpu} 2 0 0 20 0 11 0 ${start} 0 0\n`,
    );
  };

  it("takes the init's oldest child, whatever its name looks like, with its CPU time", () => {
    add(1, "docker-init", 0, 1, 10);
    add(40, "orphan", 1, 1, 900);
    add(7, "node) S 0 (x", 1, 30, 11);
    add(50, "node", 0, 9, 950);
    mkdirSync(join(proc, "self"));
    assert.deepEqual(findService(proc), { pid: 7, start: 11, cpu: 32 });
  });
});
