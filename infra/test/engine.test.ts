/** The engine that the program's resources, commands and builds are for. */
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import { createEngine } from "../resources/engine.ts";

const REMOTE = "ssh://deploy@host.example";

/** What the engine's provider is declared with. */
async function declaredProvider(isPreview: boolean): Promise<unknown> {
  const declared = Promise.withResolvers<unknown>();
  const mocks: pulumi.runtime.Mocks = {
    newResource: ({ inputs }) => {
      declared.resolve(inputs);
      return { id: "engine", state: {} };
    },
    call: () => ({}),
  };
  await pulumi.runtime.setMocks(mocks, "omniai", "prod", isPreview);
  try {
    const { environment } = createEngine(REMOTE);
    return { provider: await declared.promise, environment };
  } finally {
    await pulumi.runtime.setMocks(mocks, "omniai", "prod", false);
  }
}

describe("the engine", () => {
  const before = process.env["DOCKER_HOST"];
  afterEach(() => {
    if (before === undefined) delete process.env["DOCKER_HOST"];
    else process.env["DOCKER_HOST"] = before;
  });

  it("is refused while DOCKER_HOST, which the plugin's builder asks, names another or none", () => {
    delete process.env["DOCKER_HOST"];
    assert.throws(() => createEngine(REMOTE), {
      message: /DOCKER_HOST is not set[\s\S]*export DOCKER_HOST=ssh:\/\/deploy@host\.example$/,
    });
    process.env["DOCKER_HOST"] = "unix:///var/run/docker.sock";
    assert.throws(() => createEngine(REMOTE), /DOCKER_HOST is unix:\/\/\/var\/run\/docker\.sock/);
  });

  it("is declared in a preview as in an update, and needs no DOCKER_HOST there, because nothing is built", async () => {
    process.env["DOCKER_HOST"] = REMOTE;
    const inUpdate = await declaredProvider(false);
    delete process.env["DOCKER_HOST"];
    assert.deepEqual(await declaredProvider(true), inUpdate);
    assert.match(JSON.stringify(inUpdate), /"host":"ssh:\/\/deploy@host\.example"/);
    process.env["DOCKER_HOST"] = "unix:///var/run/docker.sock";
    assert.deepEqual(await declaredProvider(true), inUpdate);
  });
});
