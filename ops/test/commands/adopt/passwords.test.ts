/** Where the generated passwords of a stack stand. */
import { strict as assert } from "node:assert";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { renderToken } from "../../../../infra/components/tunnel/connector.ts";
import { passwordFiles } from "../../../commands/adopt/passwords.ts";

describe("the passwords that are adopted", () => {
  it("are all that the program generates", () => {
    const infra = join(import.meta.dirname, "../../../../infra/components");
    const made = globSync("**/*.ts", { cwd: infra }).flatMap((file) =>
      [...readFileSync(join(infra, file), "utf8").matchAll(/createPassword\("([^"]+)"/g)].map(
        ([, name]) => `omniai-prod-${name}`,
      ),
    );
    assert.ok(made.length > 5, made.join());
    assert.deepEqual(Object.keys(passwordFiles("prod")).sort(), made.sort());
  });

  it("are read out of what stands around them", () => {
    const pick = (name: string, text: string) => passwordFiles("prod")[`omniai-prod-${name}`]?.pick?.(text);
    assert.equal(pick("postgres-backup", "*:*:*:omniai_backup:abcDEF123\n"), "abcDEF123");
    assert.equal(pick("postgres-backup", "abc"), undefined);
    const secret = Buffer.from("abcDEF123").toString("base64");
    assert.equal(pick("tunnel-secret", renderToken("account", "tunnel", secret)), "abcDEF123");
    assert.equal(pick("tunnel-secret", "no token"), undefined);
  });
});
