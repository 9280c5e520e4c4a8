/** The operator's key, and what is said of copies off-site. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createCheckout, removeCheckout } from "../../../test/support/checkout.ts";
import { startCommand } from "../../../test/support/stack.ts";
import { keyId, makeKey, parseKey } from "../../commands/backup/key.ts";
import { describeOffsite, type OffsiteStatus } from "../../engine/backup-room.ts";

describe("the operator's key", () => {
  it("is 14 groups of four, another one each time, and reads back as it is", () => {
    const [one, other] = [makeKey(), makeKey()];
    assert.match(one, /^([0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/);
    assert.notEqual(one, other);
    assert.equal(parseKey(one), one);
  });

  it("may be typed in small letters, with other gaps, and with letters for digits", () => {
    const key = makeKey();
    const typed = key.toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l");
    assert.equal(parseKey(` ${typed}\n`), key);
  });

  it("is refused when one letter of it is wrong, two are swapped, or one is missing", () => {
    const key = makeKey();
    for (let at = 0; at < key.length; at += 1) {
      if (key[at] === "-") continue;
      const wrong = key.slice(0, at) + (key[at] === "7" ? "8" : "7") + key.slice(at + 1);
      assert.throws(() => parseKey(wrong), /mistyped/);
    }
    const body = key.replaceAll("-", "");
    assert.throws(() => parseKey(body.slice(1)), /mistyped/);
    assert.throws(() => parseKey(""), /no key/);
  });

  it("has an id that shows nothing of it, and does not change with the white space around it", () => {
    assert.match(keyId("a"), /^[0-9a-f]{8}$/);
    assert.equal(keyId("a\n"), keyId("a"));
  });
});

describe("the operator's key, made by a command that is killed @engine", function () {
  this.timeout(120_000);
  it("is never set without having been shown", async () => {
    const checkout = createCheckout();
    try {
      const file = join(checkout, "Pulumi.test-key.yaml");
      const config = { offsiteBucket: "https://s3.example.org/copies", offsiteAccessKeyId: "a" };
      const lines = Object.entries(config).map(([key, value]) => `  omniai:${key}: ${value}\n`);
      writeFileSync(file, `config:\n${lines.join("")}`);
      const isSet = (): boolean => readFileSync(file, "utf8").includes("omniai:offsiteKey:");
      const command = startCommand(checkout, "backup", "key", "--stack", "test-key");
      let isOver = false;
      void command.done.then(() => (isOver = true));
      while (!isSet() && !isOver) await sleep(2);
      command.kill("SIGKILL");
      const { output } = await command.done;
      assert.ok(isSet(), output);
      assert.match(output, /([0-9A-Z]{4}-){13}[0-9A-Z]{4}/);
    } finally {
      removeCheckout(checkout);
    }
  });
});

describe("what is said of copies off-site", () => {
  const status: OffsiteStatus = {
    ...{ repository: "https://s3.example.org/copies/dev", minutes: 10, failure: null, checkedAt: null },
    last: { id: "abcd1234", at: new Date().toISOString(), bytes: 1, sent: 1, seconds: 1, key: "0badcafe" },
  };
  it("names the newest, its age, the key, and whether it was read back", () => {
    assert.match(describeOffsite(status), /from .* ago \(abcd1234, key 0badcafe\); none was read back yet/);
    assert.match(describeOffsite({ ...status, checkedAt: new Date().toISOString() }), /read back .* ago/);
    assert.match(describeOffsite({ ...status, last: null }), /No copy off-site yet/);
  });
});
