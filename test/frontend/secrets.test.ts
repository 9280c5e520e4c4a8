/** What is taken out of a text before it is kept or leaves the browser. It needs no browser. */
import { strict as assert } from "node:assert";
import { PageHealth } from "../../frontend/js/page-health.js";
import { Redactor, withoutSecrets } from "../../frontend/js/secrets.js";
import { Api } from "../../frontend/js/transport/api.js";

describe("a text that may have a secret in it", () => {
  const SECRET = "s3cr3t-Va1ue_x";
  for (const text of [
    `Bearer ${SECRET}`,
    `https://u:${SECRET}@example.org/`,
    ...[
      "token",
      "ticket",
      "key",
      "code",
      "access_token",
      "refresh_token",
      "csrf",
      "csrf_token",
      "password",
    ].map((name) => `GET https://example.org/a?b=1&${name}=${SECRET}&c=2`),
    `https://example.org/#access_token=${SECRET}`,
    `next=%2Fa%3Frefresh_token%3D${SECRET}`,
    `username=u&password=${SECRET}`,
    `password = "${SECRET}" is not set`.replace(" = ", "="),
    `{"accessToken":"${SECRET}","refreshToken":"${SECRET}"}`,
    `{"username":"u", "password": "${SECRET} with \\"quotes\\""}`,
    `{'clientSecret': '${SECRET}'}`,
    JSON.stringify({ body: JSON.stringify({ refreshToken: SECRET }) }),
    `{"refreshToken":"${SECRET}`,
    `x-csrf-token: ${SECRET}`,
    `X-CSRF-Token: ${SECRET}, accept: */*`,
    `Authorization: Basic ${SECRET}`,
    `cookie: a=b; __Host-sid=${SECRET}`,
    `__Host-sid=${SECRET}; Path=/`,
    `the password: ${SECRET}`,
  ])
    it(`loses it: ${text.replaceAll(SECRET, "…")}`, () => {
      const left = withoutSecrets(text);
      assert.doesNotMatch(left, /s3cr3t|Va1ue|quotes/);
      assert.match(left, /\[removed\]/);
      assert.equal(withoutSecrets(left), left, "a second look finds nothing");
      const report = `before\n${text}\nafter "it"`;
      assert.match(withoutSecrets(withoutSecrets(report)), /^before\n.*\nafter "it"$/);
    });

  for (const text of [
    "network: POST /api/auth/csrf: 503",
    "network: GET /api/auth/refresh-token: no answer",
    "SyntaxError: Unexpected token '<', \"<h1>?</h1>\" is not valid JSON",
    "csrf-token-invalid",
    "The tokens of this session have ended.",
    "TypeError: key is undefined (/app.js:12)",
    '{"code":"ECONNRESET","status":503}',
  ])
    it(`stays as it is where there is none: ${text}`, () => assert.equal(withoutSecrets(text), text));

  it("loses it before it is cut to its length", () => {
    const health = new PageHealth(withoutSecrets);
    const api = new Api("https://api.example");
    health.watch(api);
    api.onFailure?.({ method: "GET", path: `/${"x".repeat(180)}`, what: "Bearer abc.def" });
    assert.match(health.errors[0]?.text ?? "", /^GET \/x+: Bearer \[/);
  });

  it("loses the names of all users that the page has seen, also of one who has left", () => {
    const redactor = new Redactor();
    for (const name of ["ada", undefined, "ada.l", "bob"]) redactor.meet(name);
    assert.equal(
      redactor.redact("Signed in as ada.l, after ada and bob."),
      "Signed in as [user], after [user] and [user].",
    );
  });

  it("takes no long time, however long it is", () => {
    const begun = performance.now();
    for (const piece of ["a", "token", "-", "//", '"', "\\", "key=", "eyJ."])
      withoutSecrets(piece.repeat(1_000_000 / piece.length));
    assert.ok(performance.now() - begun < 10_000, `${performance.now() - begun} ms`);
  });
});
