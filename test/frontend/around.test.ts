/** What the diagnostics page says of what is around the service. It needs no browser. */
import { strict as assert } from "node:assert";
import { AROUND, reasonsAround, tileOf } from "../../frontend/js/diag/around.js";

const NOW = Date.parse("2026-11-26T20:00:00Z");
const inDays = (days: number): string => new Date(NOW + days * 86_400_000).toISOString();
const well = {
  backups: {
    status: "pass",
    problems: [],
    newest: [
      { kind: "base", ageSeconds: 90_000 },
      { kind: "dump", ageSeconds: 7260 },
    ],
    walLagSeconds: 3,
  },
  alerts: { status: "pass", count: 0, firing: [] },
  certificate: { status: "pass", ends: inDays(200.5) },
  tunnel: { status: "pass", url: "https://api.example.org", latencyMs: 41 },
};
const owner = { mode: "session", authenticated: true };
const firing = (name: string, severity: string): object => ({
  ...{ name, severity, summary: `${name} is so.`, runbook: `docs/runbook.md#${name.toLowerCase()}` },
});

describe("what is around the service", () => {
  type Part = keyof typeof well;
  const told = (name: Part, part: object): string[] => {
    const { status, text, more } = tileOf(name, part, owner, NOW);
    return [status, text, more];
  };

  it("is nothing to look at where all is well", () => {
    assert.deepEqual(reasonsAround(well, NOW), []);
    assert.deepEqual(told("backups", well.backups), [
      "pass",
      "2 h 1 min old",
      "proved by restoring; changes since, but 3 s",
    ]);
    assert.deepEqual(
      told("backups", { ...well.backups, walLagSeconds: null }).at(-1),
      "proved by restoring; of a database elsewhere",
    );
    assert.deepEqual(told("alerts", well.alerts), ["pass", "None", "all rules are judged"]);
    assert.deepEqual(told("certificate", well.certificate).slice(0, 2), ["pass", "200 days"]);
    assert.deepEqual(told("tunnel", well.tunnel), ["pass", "Connected", "api.example.org · 41 ms"]);
  });

  it("says of each part that a stack has none and that nobody answers", () => {
    for (const name of AROUND) {
      assert.equal(tileOf(name, { status: "absent" }, owner, NOW).status, "unknown", name);
    }
    for (const name of ["backups", "alerts", "certificate"])
      assert.equal(tileOf(name, { status: "unknown" }, owner, NOW).status, "warn", name);
    const absent = Object.fromEntries(AROUND.map((name) => [name, { status: "absent" }]));
    assert.deepEqual([reasonsAround(absent, NOW), reasonsAround({}, NOW)], [[], []]);
  });

  it("says to each reader what it needs to be seen: a login only where there is one", () => {
    const readers: [reader: Parameters<typeof tileOf>[2], text: string, more: string][] = [
      [{ mode: "none", authenticated: false }, "Not shown", "needs omniai:authMode"],
      [{ mode: "session", authenticated: false }, "Sign in", "for those with diag:read"],
      [{ mode: "both", authenticated: true }, "Not shown", "needs the scope diag:read"],
    ];
    for (const [reader, text, more] of readers)
      for (const name of AROUND)
        assert.deepEqual(tileOf(name, undefined, reader, NOW), { status: "unknown", text, more });
  });

  it("gives the verdict a reason where nobody can say how backups or alerts are", () => {
    const reasons = reasonsAround(
      { ...well, backups: { status: "unknown" }, alerts: { status: "unknown" } },
      NOW,
    );
    assert.deepEqual(
      reasons.map(({ component, status, detail }) => `${status} ${component}: ${detail}`),
      [
        "warn backups: the backup room does not answer",
        "warn alerts: some alert rules are not judged, so silence means nothing",
      ],
    );
  });

  it("gives the verdict what is wrong, the worst first, and nothing twice", () => {
    const reasons = reasonsAround(
      {
        backups: { ...well.backups, status: "fail", problems: ["the newest dump is 30 h old"] },
        alerts: {
          status: "fail",
          count: 3,
          firing: [
            firing("TunnelDown", "critical"),
            firing("DiskFilling", "warning"),
            firing("BackupStale", "critical"),
          ],
        },
        certificate: { status: "fail", ends: inDays(-1) },
        tunnel: { status: "fail", url: "https://api.example.org", reason: "it answers 530" },
      },
      NOW,
    );
    assert.deepEqual(
      reasons.map(({ component, status, detail }) => `${status} ${component}: ${detail}`),
      [
        "fail certificate: the edge's certificate: has ended",
        "fail tunnel: it answers 530",
        "warn backups: the newest dump is 30 h old",
        "warn DiskFilling: DiskFilling is so.",
      ],
    );
    assert.equal(reasons.at(-1)?.todo, "docs/runbook.md#diskfilling");
    const alone = reasonsAround({ ...well, alerts: { firing: [firing("TunnelDegraded", "warning")] } }, NOW);
    assert.deepEqual(
      alone.map(({ component }) => component),
      ["TunnelDegraded"],
    );
  });
});
