import assert from "node:assert/strict";
import { compareVersions, findVersion } from "../versions.ts";

describe("compareVersions", () => {
  const rising = [
    "1.2.3",
    "v1.2.4",
    "1.10.0",
    "3.259.0-alpha.2",
    "3.259.0-alpha.10",
    "3.259.0",
    "3.259.1",
    "4.0.0",
  ];
  it(`orders ${rising.join(" < ")}`, () => {
    for (const [index, older] of rising.entries()) {
      for (const newer of rising.slice(index + 1)) {
        assert.ok(compareVersions(older, newer) < 0, `${older} comes before ${newer}`);
        assert.ok(compareVersions(newer, older) > 0, `${newer} comes after ${older}`);
      }
    }
  });

  it("leaves build metadata out", () => {
    assert.equal(compareVersions("5.2.0+standin.2.23.0", "5.2.0"), 0);
  });

  it("refuses what is no version, and shows it", () => {
    assert.throws(() => compareVersions("latest", "1.0.0"), /"latest" is not a version/);
  });
});

describe("findVersion", () => {
  for (const [text, version] of [
    ["v3.259.0\n", "3.259.0"],
    ["go version go1.26.8 linux/amd64", "1.26.8"],
    ["5.2.0+standin.2.23.0", "5.2.0+standin.2.23.0"],
    ["no version here", undefined],
  ] as const) {
    it(`finds ${version ?? "none"} in ${JSON.stringify(text)}`, () =>
      assert.equal(findVersion(text), version));
  }
});
