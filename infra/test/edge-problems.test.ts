/** The edge's own problem documents, held against the service's catalogue, which clients are told about. */
import { strict as assert } from "node:assert";
import { maintenanceProblem } from "../../ops/engine/maintenance.ts";
import { allProblemTypes, edgeProblemTypes, PROBLEM_URN } from "../../service/src/platform/problem-types.ts";
import { renderProblems } from "../components/edge/problems.ts";

interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
}

/** What the edge answers, as a client reads it. */
const DOCUMENTS = [...renderProblems().matchAll(/return (\d+) '(\{.*\})\\n';/g)].map(
  ([, status, body = ""]) => ({ code: Number(status), ...(JSON.parse(body) as ProblemDocument) }),
);
const slugOf = ({ type }: { readonly type: string }): string => type.slice(PROBLEM_URN.length);

describe("the edge's problem documents", () => {
  it("have a type of the catalogue, with its status and title", () => {
    assert.ok(DOCUMENTS.length >= 10, `${DOCUMENTS.length} documents are read`);
    for (const { code, type, title, status } of DOCUMENTS) {
      assert.ok(type.startsWith(PROBLEM_URN), type);
      const known = allProblemTypes[slugOf({ type })];
      assert.deepEqual({ title, status }, { title: known?.title, status: known?.status }, type);
      assert.equal(code, status, type);
    }
  });

  it("are all that the catalogue has of the edge, together with the one of a maintenance", () => {
    const maintenance = maintenanceProblem("text", new Date()) as unknown as ProblemDocument;
    const answered = [...DOCUMENTS, maintenance].map(slugOf);
    assert.deepEqual(
      Object.keys(edgeProblemTypes).filter((slug) => !answered.includes(slug)),
      [],
    );
    const { title, status } = edgeProblemTypes.maintenance;
    assert.deepEqual([maintenance.title, maintenance.status], [title, status]);
  });
});
