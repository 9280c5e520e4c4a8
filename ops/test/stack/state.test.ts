/** What ops reads out of an exported state. */
import { strict as assert } from "node:assert";
import { urlsOf } from "../../engine/health-report.ts";
import { outputsOf } from "../../stack/state.ts";

describe("the stack's outputs in a state", () => {
  it("are those that the CLI shows", () => {
    const urls = { http: "http://h:1", https: "https://h:2" };
    const resources = [
      {
        urn: "urn:pulumi:s::p::omniai:edge:Edge::edge",
        type: "omniai:edge:Edge",
        outputs: { urls: "other" },
      },
      { urn: "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s", type: "pulumi:pulumi:Stack", outputs: { urls } },
    ];
    assert.deepEqual(urlsOf(outputsOf({ resources })), urls);
    assert.deepEqual(outputsOf({}), {});
  });
});
