/** Who publishes the page of a stack. */
import { strict as assert } from "node:assert";
import { pageSource } from "../../../commands/stack/page-source.ts";

describe("who publishes the page of a stack", () => {
  it("is nobody, the program or a workflow", () => {
    assert.equal(pageSource({ pagesEnabled: false, pagesSource: "workflow" }), "none");
    assert.equal(pageSource({ pagesEnabled: true, pagesSource: "branch" }), "branch");
    assert.equal(pageSource({ pagesEnabled: true, pagesSource: "workflow" }), "workflow");
    assert.equal(pageSource({ pagesEnabled: true }), "branch");
    assert.equal(pageSource({}), "none");
  });
});
