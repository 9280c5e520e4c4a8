/** Runs the docs' command lines for a Pulumi CLI of one's own, exactly as they are written, in a checkout. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCheckout, removeCheckout } from "../support/checkout.ts";

const REPOSITORY = join(import.meta.dirname, "../..");

/** Every option in the docs that names the policy pack, with its value as a shell reads it. */
const DOCUMENTED = ["README.md", "docs/policies.md", "docs/decisions/0021-policies.md"].flatMap((file) =>
  [...readFileSync(join(REPOSITORY, file), "utf8").matchAll(/--policy-pack [^\s`]+/g)].map(([option]) => ({
    file,
    option,
  })),
);

describe("the policy pack, named as the docs name it", function () {
  this.timeout(180_000);
  let checkout: string;
  const shell = (script: string) => {
    const { status, stdout, stderr } = spawnSync("sh", ["-c", script], { cwd: checkout, encoding: "utf8" });
    return { code: status, output: stdout + stderr };
  };

  before(() => {
    checkout = createCheckout();
    mkdirSync(join(checkout, ".state"));
    writeFileSync(join(checkout, ".state/passphrase"), "of-a-test\n");
  });
  after(() => removeCheckout(checkout));

  it("is the same everywhere, so one run proves all", () => {
    assert.deepEqual(
      DOCUMENTED.map(({ file }) => file),
      [...["README.md", "docs/policies.md", "docs/decisions/0021-policies.md"]],
    );
    assert.equal(new Set(DOCUMENTED.map(({ option }) => option)).size, 1);
  });

  it("is found and judges the whole program, with the command lines exactly as in the README", () => {
    const readme = readFileSync(join(REPOSITORY, "README.md"), "utf8");
    const block = /```\n(export PULUMI_BACKEND_URL=[\s\S]*?)```/.exec(readme)?.[1] ?? "";
    assert.match(block, /^pulumi preview .*--policy-pack/m);
    const [exported = ""] = block.split("\n");
    const made = shell(`${exported}\npulumi stack init dev --non-interactive`);
    assert.equal(made.code, 0, made.output);
    const { code, output } = shell(`set -e\n${block}`);
    assert.equal(code, 0, output);
    assert.match(output, /omniai@v\S+ \(local: .*policies\/main\.ts\)/);
    assert.match(output, /to create/);
  });

  it("stops a run that violates a rule", () => {
    const { option = "" } = DOCUMENTED[0] ?? {};
    // This stack has to obey the policies, but does not set the size of its host.
    const { code, output } = shell(`
      export PULUMI_BACKEND_URL=file://$PWD/.state PULUMI_CONFIG_PASSPHRASE_FILE=$PWD/.state/passphrase
      pulumi config set omniai:environment staging --stack dev
      pulumi preview --stack dev --non-interactive ${option}`);
    assert.notEqual(code, 0, output);
    assert.match(output, /host-capacity[\s\S]*the memory of the host/);
  });
});
