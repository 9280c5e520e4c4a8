/** How CPU limits are spelled. */
import { strict as assert } from "node:assert";
import { spellCpus } from "../config/cpus.ts";
import { configSchema } from "../config/schema.ts";
import { defaults } from "./defaults.ts";
import { stackFile } from "./support/stack-file.ts";

/**
 * What the official docker plugin reads back for each number
 * (tools/build/pulumi/docker/shim/cpus_test.go holds the stand-in to the same).
 */
const kept: Readonly<Record<string, string>> = {
  "1": "1.0",
  "1.0": "1.0",
  "9": "9.0",
  "11": "11.0",
  "0.1": "0.1",
  "0.5": "0.5",
  "0.50": "0.5",
  "0.25": "0.25",
  "0.75": "0.75",
  "0.125": "0.125",
  "1.5": "1.5",
  "2.25": "2.25",
  "1.05": "1.05",
  "10.5": "10.5",
  "10.25": "10.25",
};
const CHANGED = ["10", "20", "100", "101", "0.05", "0.01", "0.001", "0.005", "10.05", "100.25", "10.001"];

describe("spellCpus", () => {
  for (const [cores, spelling] of Object.entries(kept)) {
    it(`spells ${cores} as the provider reads it back: ${spelling}`, () =>
      assert.equal(spellCpus(cores), spelling));
  }

  for (const cores of [...CHANGED, "0", "-1", "NaN", ""]) {
    it(`has no spelling for "${cores}"`, () => assert.equal(spellCpus(cores), undefined));
  }

  it("has one for all that config's message promises, and it is the same number", () => {
    for (let thousandths = 100; thousandths <= 9_999; thousandths += 1) {
      const cores = String(thousandths / 1000);
      assert.equal(Number(spellCpus(cores)), Number(cores), cores);
    }
  });
});

describe("the CPU limits of this repository", () => {
  for (const stack of ["dev", "staging", "prod"] as const) {
    it(`are written in Pulumi.yaml and Pulumi.${stack}.yaml so that the provider keeps them`, () => {
      const values: Record<string, unknown> = { ...defaults, ...stackFile(stack) };
      const keys = Object.keys(configSchema.shape).filter((key) => /Cpus$/.test(key) && key !== "hostCpus");
      assert.ok(keys.length >= 5, keys.join());
      for (const key of keys) assert.notEqual(spellCpus(String(values[key])), undefined, key);
    });
  }
});
