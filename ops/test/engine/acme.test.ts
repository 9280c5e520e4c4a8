/** What the status page says of a certificate of an authority. */
import { strict as assert } from "node:assert";
import { describeAcme, describeAcmeProblem, type AcmeState } from "../../engine/acme.ts";

const state: AcmeState = {
  ...{ hosts: ["api.example.org"], directory: "https://ca.example/dir", failures: 0, since: null },
  ...{ ends: "2027-02-25T00:00:00+00:00", fingerprint: "ab", served: true, problem: null },
  ...{ tried: "2026-11-27T00:00:00+00:00", next: "2026-11-27T06:00:05+00:00" },
};

describe("a certificate of an authority on the status page", () => {
  const now = new Date("2026-11-27T00:00:00Z");

  it("is told with whose it is and when it ends", () => {
    assert.equal(
      describeAcme(state, now),
      "The certificate of ca.example for api.example.org ends in 90 days (2027-02-25).",
    );
    assert.match(describeAcme(state, new Date("2027-03-01T00:00:00Z")), /ended on 2027-02-25\.$/);
    assert.match(describeAcme({ ...state, served: false }, now), /The edge does not show it yet\.$/);
  });

  it("is told to be missing, and what is served instead", () => {
    assert.match(describeAcme({ ...state, ends: null }), /^No certificate of ca\.example .* generated one/);
  });

  it("is told with what fails and when it is tried again, and with nothing when nothing does", () => {
    assert.equal(describeAcmeProblem(state), undefined);
    const failing = { ...state, failures: 3, since: "2026-11-27T00:00:00+00:00", problem: "no such name" };
    assert.match(
      describeAcmeProblem(failing) ?? "",
      /^3 tries failed since .* ago: no such name\. The next one is at 2026-11-27 06:00 UTC\.$/,
    );
    assert.match(
      describeAcmeProblem({ ...failing, failures: 1, next: null }) ?? "",
      /^The last try failed: no such name\.$/,
    );
  });
});
