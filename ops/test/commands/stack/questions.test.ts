/** The questions for a new stack, and the file that the answers become. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { parse } from "yaml";
import { objection, QUESTIONS, renderStackFile } from "../../../commands/stack/questions.ts";
import { readDefaults } from "../../../stack/config-files.ts";

const ROOT = join(import.meta.dirname, "../../../..");

describe("the questions for a new stack", () => {
  const { values } = readDefaults(ROOT);
  const question = (key: string) => QUESTIONS.find((one) => one.key === key) ?? assert.fail(key);

  it("propose ports that no other stack has", () => {
    const others = [
      { httpPort: 8080, httpsPort: 8443 },
      { httpPort: 8081, httpsPort: 8444 },
    ];
    assert.equal(question("httpPort").propose?.(others), "8082");
    assert.equal(question("httpsPort").propose?.(others), "8445");
  });

  it("say what is wrong with an answer", () => {
    const wrong = (key: string, typed: string) => objection(key, question(key).parse(typed), values);
    assert.equal(wrong("httpPort", "9000"), undefined);
    assert.match(wrong("httpPort", "lots") ?? "", /whole number/);
    assert.match(wrong("dockerHost", "example.org") ?? "", /DOCKER_HOST/);
    assert.equal(wrong("corsOrigins", "https://a.example, https://b.example"), undefined);
    assert.match(wrong("corsOrigins", "a.example") ?? "", /exact origins/);
    assert.match(wrong("providers", "openai") ?? "", /wrong at 0/);
  });

  it("become a file that Pulumi reads", () => {
    const text = renderStackFile("x", { httpPort: 1, corsOrigins: ["https://a.example"] });
    assert.deepEqual(parse(text), {
      config: { "omniai:httpPort": 1, "omniai:corsOrigins": ["https://a.example"] },
    });
    assert.deepEqual(parse(renderStackFile("x", {})), { config: {} });
  });
});
