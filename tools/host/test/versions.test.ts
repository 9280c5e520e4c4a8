/** Versions are compared as semver does, and found in what programs print. */
import { strict as assert } from "node:assert";
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

  it("compares by number, and takes engines' versions as they are", () => {
    assert.equal(compareVersions("20.10.24+dfsg1", "20.10"), 1);
    assert.equal(compareVersions("20.10", "20.10.0"), 0);
    assert.equal(compareVersions("19.03.15", "20.10"), -1);
    assert.equal(compareVersions("1.9", "1.41"), -1);
    assert.equal(compareVersions("v28.0.0-rc.1", "27.5.1"), 1);
  });

  it("ignores build metadata", () => {
    assert.equal(compareVersions("5.2.0+standin.2.23.0", "5.2.0"), 0);
  });

  it("refuses a text that is not a version, and shows it", () => {
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
