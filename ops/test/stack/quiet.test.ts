/** What an operation does to the alerts. */
import { strict as assert } from "node:assert";
import { EXPLAINED, supersededBy } from "../../stack/quiet.ts";

describe("the silence of an operation", () => {
  const of = (id: string, value: string, createdBy = "ops") => ({
    id,
    createdBy,
    matchers: [{ name: "alertname", value }],
  });
  const all = EXPLAINED.join("|");

  it("takes the place of those of operations before, also of one that was killed", () => {
    const found = supersededBy("own", [of("own", all), of("killed", all), of("after the last", all)]);
    assert.deepEqual(found, ["killed", "after the last"]);
  });

  it("leaves those of people, and that of a container that was stopped and started", () => {
    const found = supersededBy("own", [
      of("a person's", all, "somebody"),
      of("a person's of one alert", "DiskFilling", "somebody"),
      of("restarted", "ContainerRestarted"),
    ]);
    assert.deepEqual(found, []);
  });
});
