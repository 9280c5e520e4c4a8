/** Which plugin is taken. */
import { strict as assert } from "node:assert";
import { mkdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { REPOSITORY_ROOT } from "../../../host/context.ts";
import { withFolder } from "../../../host/test/support/folder.ts";
import { programThatSays } from "../../../host/test/support/programs.ts";
import { emptyMachine } from "../../../host/test/support/reporter.ts";
import type { PartStatus } from "../../../host/part.ts";
import { binFolder } from "../../bin-folder.ts";
import { inspectCloudPlugins, PLUGIN_PARTS } from "../../pulumi/plugin.ts";

const dockerPlugin = PLUGIN_PARTS.find((part) => part.name === "pulumi-resource-docker");

describe("a plugin", () => {
  it("is the one on PATH when that is new enough, else the one that Pulumi installed", () =>
    withFolder(async (folder) => {
      assert.ok(dockerPlugin);
      const context = emptyMachine(folder);
      const program = join(folder, "bin/pulumi-resource-docker");
      await programThatSays(program, "4.0.0");
      assert.equal((await dockerPlugin.inspect(context)).way, "missing");

      const wanted = (
        JSON.parse(
          await readFile(join(REPOSITORY_ROOT, "node_modules/@pulumi/docker/package.json"), "utf8"),
        ) as {
          pulumi: { version: string };
        }
      ).pulumi.version;
      const installed = join(folder, `.pulumi/plugins/resource-docker-v${wanted}`);
      await programThatSays(join(installed, "pulumi-resource-docker"), "");
      const silent = await dockerPlugin.inspect(context);
      assert.deepEqual([silent.way, silent.version], ["downloaded", wanted]);
      await programThatSays(join(installed, "pulumi-resource-docker"), "98.0.0");
      const asked = await dockerPlugin.inspect(context);
      assert.deepEqual([asked.way, asked.version], ["downloaded", "98.0.0"], "not what its folder is called");

      await writeFile(`${installed}.partial`, "");
      assert.equal((await dockerPlugin.inspect(context)).way, "missing", "it is still being installed");

      await programThatSays(program, "99.0.0");
      assert.equal((await dockerPlugin.inspect(context)).way, "path");
    }));

  it("on PATH is asked the way the CLI asks where it has no flag for its version", () =>
    withFolder(async (folder) => {
      assert.ok(dockerPlugin);
      const program = join(folder, "bin/pulumi-resource-docker");
      for (const [version, way] of [
        ["5.1.9", "missing"],
        ["99.0.1", "path"],
      ] as const) {
        await pluginThatAnswers(program, version);
        const status = await dockerPlugin.inspect(emptyMachine(folder));
        assert.equal(status.way, way);
        if (way === "path") assert.equal(status.version, version);
        else assert.match(status.remedy ?? "", /bin\/pulumi-resource-docker is 5\.1\.9/);
      }
    }));

  it("that tells nothing is not taken", () =>
    withFolder(async (folder) => {
      const program = join(folder, "bin/pulumi-resource-docker");
      await programThatSays(program, "", 1);
      const status = await dockerPlugin?.inspect(emptyMachine(folder));
      assert.equal(status?.way, "missing");
      assert.match(status?.remedy ?? "", /of an unknown version/);
    }));

  it("that the CLI installed comes before an older one on PATH", () =>
    withFolder(async (folder) => {
      const context = emptyMachine(folder);
      await programThatSays(join(folder, "bin/pulumi-resource-docker"), "4.0.0");
      const location = join(folder, ".pulumi/plugins/resource-docker-v5.2.0/pulumi-resource-docker");
      await programThatSays(location, "");
      const status: PartStatus = { name: "pulumi-resource-docker", way: "downloaded", location };
      const bin = await binFolder(context, [status]);
      assert.equal(await realpath(join(bin ?? "", "pulumi-resource-docker")), location);
      await rm(join(folder, "bin/pulumi-resource-docker"));
      assert.equal(await binFolder(context, [status]), undefined);
    }));

  it("for a cloud is looked for like the others", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/pulumi-resource-github"), "99.0.0");
      const found = await inspectCloudPlugins(emptyMachine(folder), ["cloudflare", "github"]);
      assert.deepEqual(
        found.map(({ name, way, version }) => [name, way, version]),
        [
          ["pulumi-resource-cloudflare", "missing", undefined],
          ["pulumi-resource-github", "path", "99.0.0"],
        ],
      );
      assert.match(found[0]?.remedy ?? "", /pulumi plugin install resource cloudflare \d/);
    }));
});

/** A plugin without -version, as docker and command are: it answers GetPluginInfo, and only that. */
async function pluginThatAnswers(path: string, version: string): Promise<void> {
  const modules = join(REPOSITORY_ROOT, "node_modules");
  const script = `
    if (process.argv[2] === "-version") process.exit(2);
    const grpc = require(${JSON.stringify(join(modules, "@grpc/grpc-js"))});
    const { PluginInfo } = require(${JSON.stringify(join(modules, "@pulumi/pulumi/proto/plugin_pb.js"))});
    const answer = new PluginInfo();
    answer.setVersion(${JSON.stringify(version)});
    const method = { path: "/pulumirpc.ResourceProvider/GetPluginInfo", requestStream: false, responseStream: false,
      requestDeserialize: () => ({}), requestSerialize: () => Buffer.alloc(0),
      responseSerialize: (info) => Buffer.from(info.serializeBinary()), responseDeserialize: () => ({}) };
    const server = new grpc.Server();
    server.addService({ GetPluginInfo: method }, { GetPluginInfo: (call, done) => done(null, answer) });
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => console.log(port));
  `;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.cjs`, script);
  await writeFile(
    path,
    `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} ${JSON.stringify(`${path}.cjs`)} "$@"\n`,
    { mode: 0o755 },
  );
}
