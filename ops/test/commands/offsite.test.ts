/** The operator's key, and what is said of copies off-site. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCheckout, removeCheckout } from "../../../test/support/checkout.ts";
import { holdPulumi, type HeldPulumi } from "../../../test/support/held-pulumi.ts";
import { killWhen, startCommandIn, whenSo, type RunningCommand } from "../../../test/support/stack.ts";
import { freePort } from "../../../tools/host/free-port.ts";
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

describe("the operator's key, made by a command that does not come to its end @engine", function () {
  this.timeout(120_000);
  let checkout: string;
  let pulumi: HeldPulumi | undefined;
  beforeEach(() => (checkout = createCheckout()));
  afterEach(() => {
    pulumi?.remove();
    removeCheckout(checkout);
  });

  const file = (): string => join(checkout, "Pulumi.test-key.yaml");
  const isSet = (): boolean => readFileSync(file(), "utf8").includes("omniai:offsiteKey:");
  const configure = (more: Readonly<Record<string, string>> = {}): void => {
    const config = { offsiteBucket: "https://s3.example.org/copies", offsiteAccessKeyId: "a", ...more };
    const lines = Object.entries(config).map(([key, value]) => `  omniai:${key}: ${value}\n`);
    writeFileSync(file(), `config:\n${lines.join("")}`);
  };
  const start = (env: NodeJS.ProcessEnv, ...args: readonly string[]): RunningCommand =>
    startCommandIn(env, checkout, "backup", "key", "--stack", "test-key", ...args);
  const begin = async (...held: [at: "before" | "after", does: "waits" | "is killed"]) => {
    configure();
    pulumi = await holdPulumi("omniai:offsiteKey", ...held);
    return { command: start(pulumi.env), ...pulumi };
  };
  const shownIn = (output: string): string =>
    /([0-9A-Z]{4}-){13}[0-9A-Z]{4}/.exec(output)?.[0] ?? assert.fail(`no key was shown:\n${output}`);
  /** What the command says afterwards of the key that is set. */
  const named = async (): Promise<{ id: string; notAsked?: string }> => {
    const { code, stdout, output } = await start({ ...process.env, NO_COLOR: "1" }, "--json").done;
    assert.equal(code, 0, output);
    return JSON.parse(stdout) as { id: string; notAsked?: string };
  };

  it("is never set without having been shown", async () => {
    const { command, reached } = await begin("after", "waits");
    const output = await killWhen(command, reached);
    assert.ok(isSet(), output);
    assert.equal((await named()).id, keyId(shownIn(output)));
  });

  it("is kept on its paper where it is set though setting it has failed", async () => {
    const { command } = await begin("after", "is killed");
    const { code, output } = await command.done;
    assert.equal(code, 1, output);
    assert.ok(isSet());
    assert.match(output, /was ended by SIGKILL/);
    assert.match(output, /Keep what was written down of it, until this names the id .*npm run backup -- key/);
    assert.doesNotMatch(output, /Throw away/);
    const { id, notAsked } = await named();
    assert.equal(id, keyId(shownIn(output)));
    assert.match(notAsked ?? "", /has no backup room/);
  });

  it("is thrown away with its paper where it is not set", async () => {
    const { command } = await begin("before", "is killed");
    const { code, output } = await command.done;
    assert.equal(code, 1, output);
    assert.ok(!isSet());
    assert.match(output, /is not the stack's.*was ended by SIGKILL/);
    assert.match(output, /Throw away what was written down of it/);
  });

  it("is set to its end after a Ctrl-C, which goes to all of the terminal's programs", async () => {
    const { command, reached, goOn } = await begin("after", "waits");
    await whenSo(command, reached);
    process.kill(-command.pid, "SIGINT");
    await command.until(/SIGINT: cancelling \(keeping the key\)/);
    goOn();
    const { code, output } = await command.done;
    assert.equal(code, 0, output);
    assert.match(output, /It is set in Pulumi\.test-key\.yaml/);
    assert.ok(isSet());
  });

  it("is named also where the host is away, and why the newest copy could not be asked", async () => {
    configure({ dockerHost: `ssh://nobody@127.0.0.1:${await freePort()}` });
    const key = makeKey();
    const given = { ...process.env, NO_COLOR: "1", OMNIAI_OFFSITE_KEY: key };
    assert.equal((await start(given).done).code, 0);
    const { code, stdout, stderr } = await start({ ...process.env, NO_COLOR: "1" }).done;
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`has the key with the id ${keyId(key)}`));
    assert.match(stderr, /With which key the newest copy was sent could not be asked: .*127\.0\.0\.1/);
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
