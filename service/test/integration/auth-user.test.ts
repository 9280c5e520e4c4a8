/** The program behind `npm run user`. */
import { strict as assert } from "node:assert";
import { runUserCommand, type UserCommand } from "../../src/auth/user-commands.ts";
import { Users } from "../../src/auth/stores/users.ts";
import { addUser, Page, startAuth, testPool } from "../support/auth.ts";
import { runEntry } from "../support/entry.ts";

describe("the user command", function () {
  this.timeout(120_000);
  const run = async (args: string[], input = ""): Promise<[number, Record<string, unknown>]> => {
    const { code, output } = await runEntry("user.ts", args, input);
    return [code, JSON.parse(output) as Record<string, unknown>];
  };

  it("adds with a generated password that works, kept as argon2id with OWASP's parameters, and lists", async () => {
    const name = `command-${process.pid}`;
    const [code, answer] = await run(["add", name, "--scopes", "diag:read,events:read"]);
    assert.equal(code, 0);
    assert.match(String(answer.password), /^[A-Za-z0-9_-]{24}$/);
    const { rows } = await (
      await testPool()
    ).query<{ password_hash: string }>("SELECT password_hash FROM users WHERE name = $1", [name]);
    assert.match(rows[0]?.password_hash ?? "", /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    const instance = await startAuth("session");
    try {
      const login = await new Page(instance).login(name, String(answer.password));
      assert.deepEqual([login.status, login.body.scopes], [200, ["events:read", "diag:read"]]);
    } finally {
      await instance.stop();
    }
    const [, list] = await run(["list"]);
    const listed = (list.users as { name: string; isDisabled: boolean }[]).find((one) => one.name === name);
    assert.equal(listed?.isDisabled, false);
    assert.ok(!JSON.stringify(list).includes("argon2"));
  });

  it("says what is wrong and what to do, and changes nothing", async () => {
    const user = await addUser();
    const bad: [string[], string, RegExp][] = [
      [["add", user.name], "", /There is already a user/],
      [["add", "fine-name", "--password-stdin"], "short\n", /too easy to guess/],
      [["add", "fine-name", "secret-as-argument"], "", /unexpected arguments/],
      [["add", "fine-name", "--password", "x"], "", /Unknown option/],
    ];
    await Promise.all(
      bad.map(async ([args, input, what]) => {
        const [code, answer] = await run(args, input);
        assert.deepEqual([code, answer.ok], [2, false], args.join(" "));
        assert.match(String(answer.what), what);
        assert.ok(String(answer.remedy).length > 10);
      }),
    );
    const stores = {
      users: new Users(await testPool()),
      revoke: () => assert.fail("nothing is revoked"),
      record: () => assert.fail("nothing is recorded"),
    };
    const more: [UserCommand, RegExp][] = [
      [{ command: "" }, /Which user/],
      [{ command: "add", name: "a b" }, /is not a user name/],
      [{ command: "add", name: "fine-name", scopes: "root" }, /is not a list of scopes/],
      [{ command: "add", name: "fine-name", password: "fine-name-fine-name" }, /too easy to guess/],
      [{ command: "passwd", name: "nobody-here" }, /There is no user nobody-here/],
      [{ command: "disable", name: "nobody-here" }, /There is no user nobody-here/],
      [{ command: "rename", name: user.name }, /There is no command/],
    ];
    for (const [asked, what] of more) await assert.rejects(runUserCommand(asked, stores), what);
  });
});
