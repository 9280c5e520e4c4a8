import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createContext, repositoryRoot } from "../../host/context.ts";
import { ensureToolchain, inspectToolchain } from "../index.ts";
import { ToolchainError, type Part } from "../../host/part.ts";
import { pulumiPart } from "../pulumi/cli.ts";
import { languagePart } from "../pulumi/language.ts";
import { pluginParts } from "../pulumi/plugin.ts";
import { withFolder } from "../../host/test/support/folder.ts";
import { programThatSays } from "../../host/test/support/programs.ts";
import { emptyMachine, recorder } from "../../host/test/support/reporter.ts";

const dockerPlugin = pluginParts.find((part) => part.name === "pulumi-resource-docker");
const withoutEngine = { pulumi: [pulumiPart, languagePart, ...pluginParts], others: [] as Part[] };

describe("the Pulumi CLI", () => {
  it("is the one on PATH when that is new enough", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/pulumi"), "v3.300.1");
      assert.deepEqual(await pulumiPart.inspect(emptyMachine(folder)), {
        name: "pulumi",
        version: "3.300.1",
        way: "path",
        location: join(folder, "bin/pulumi"),
      });
    }));

  it("is not one that is too old, and the remedy says which was found", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/pulumi"), "v3.100.0");
      const status = await pulumiPart.inspect(emptyMachine(folder));
      assert.equal(status.way, "missing");
      assert.match(status.remedy ?? "", /3\.259\.0 or newer.*bin\/pulumi is 3\.100\.0/);
    }));

  it("is the downloaded one before one that was built", () =>
    withFolder(async (folder) => {
      const context = emptyMachine(folder);
      const { version } = JSON.parse(
        await readFile(join(repositoryRoot, "node_modules/@pulumi/pulumi/package.json"), "utf8"),
      ) as { version: string };
      const name = `${version}-official-${process.platform}-${process.arch}`;
      await programThatSays(join(context.cacheDir, "pulumi", name, "bin/pulumi"), "");
      const status = await pulumiPart.inspect(context);
      assert.deepEqual([status.way, status.version], ["downloaded", version]);
    }));

  it("is not found twice: what lies in the cache is no find on PATH", () =>
    withFolder(async (folder) => {
      const context = emptyMachine(folder, { env: { PATH: `${folder}/cache/bin/1-x` } });
      await programThatSays(join(folder, "cache/bin/1-x/pulumi"), "v9.9.9");
      assert.equal((await pulumiPart.inspect(context)).way, "missing");
    }));
});

describe("the language host", () => {
  it("is the one that lies beside the CLI", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/pulumi"), "v3.300.1");
      await programThatSays(join(folder, "bin/pulumi-language-nodejs"), "");
      const status = await languagePart.inspect(emptyMachine(folder));
      assert.deepEqual([status.way, status.version], ["path", "3.300.1"]);
    }));
});

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
          await readFile(join(repositoryRoot, "node_modules/@pulumi/docker/package.json"), "utf8"),
        ) as {
          pulumi: { version: string };
        }
      ).pulumi.version;
      const installed = join(folder, `.pulumi/plugins/resource-docker-v${wanted}`);
      await programThatSays(join(installed, "pulumi-resource-docker"), "");
      assert.equal((await dockerPlugin.inspect(context)).way, "downloaded");

      await writeFile(`${installed}.partial`, "");
      assert.equal((await dockerPlugin.inspect(context)).way, "missing", "it is still being installed");

      await programThatSays(program, "99.0.0");
      assert.equal((await dockerPlugin.inspect(context)).way, "path");
    }));
});

describe("ensureToolchain", () => {
  it("with --no-install lists all that is missing, each with a remedy, and changes nothing", () =>
    withFolder(async (folder) => {
      const { lines, report } = recorder();
      const context = emptyMachine(folder, { install: false, report });
      await assert.rejects(ensureToolchain(context, withoutEngine), (error) => {
        assert.ok(error instanceof ToolchainError);
        for (const part of withoutEngine.pulumi)
          assert.match(error.message, new RegExp(` ${part.name}: \\S+`));
        return true;
      });
      assert.deepEqual(lines, []);
      await assert.rejects(readFile(context.cacheDir), /ENOENT/);
    }));

  it("says that Go is missing before anything is done, and how to get it", () =>
    withFolder(async (folder) => {
      await mkdir(join(folder, "bin"));
      const { lines, report } = recorder();
      const ensured = ensureToolchain(emptyMachine(folder, { report }), withoutEngine);
      await assert.rejects(
        ensured,
        /neither be downloaded nor built here: Go is missing[\s\S]*Install Go 1\.25/,
      );
      assert.deepEqual(lines, []);
    }));

  it("says that Go is too old, and which it is", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/go"), "go1.19.8");
      await assert.rejects(ensureToolchain(emptyMachine(folder), withoutEngine), /Go here is 1\.19\.8/);
    }));

  it("says all that it will do, with a time, before it does the first of it", () =>
    withFolder(async (folder) => {
      // A Go that is new enough and can build nothing.
      await programThatSays(join(folder, "bin/go"), "go1.99.0", 0);
      await writeFile(
        join(folder, "bin/go"),
        '#!/bin/sh\n[ "$1" = env ] && { echo go1.99.0; exit; }\necho broken; exit 7\n',
      );
      const { lines, report } = recorder();
      await assert.rejects(
        ensureToolchain(emptyMachine(folder, { report }), withoutEngine),
        /pulumi could not be built: go build ended with 7[\s\S]*broken/,
      );
      assert.match(
        lines[0] ?? "",
        /build the Pulumi CLI 3\.[\s\S]*language host[\s\S]*command[\s\S]*random[\s\S]*docker[\s\S]*about \d+ min/,
      );
      assert.match(lines[1] ?? "", /step: Building pulumi/);
    }));

  it("gives an environment in which the programs that were found come first", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/pulumi"), "v3.300.1");
      for (const part of withoutEngine.pulumi.slice(1))
        await programThatSays(join(folder, "bin", part.name), "99.0.0");
      const chain = await ensureToolchain(emptyMachine(folder), withoutEngine);
      assert.deepEqual(chain.pulumi, {
        command: join(folder, "bin/pulumi"),
        root: folder,
        version: "3.300.1",
        way: "path",
      });
      assert.equal(chain.env.PATH, `${join(repositoryRoot, "node_modules/.bin")}:${folder}/bin`);
      assert.equal(chain.env.PULUMI_SKIP_UPDATE_CHECK, "true");
      const statuses = await inspectToolchain(emptyMachine(folder), withoutEngine);
      assert.deepEqual(statuses, [...chain.statuses]);
    }));
});

describe("createContext", () => {
  for (const [env, cacheDir] of [
    [{ OMNIAI_CACHE: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" }, "/a"],
    [{ XDG_CACHE_HOME: "/b", HOME: "/c" }, "/b/omniai"],
    [{ HOME: "/c" }, "/c/.cache/omniai"],
  ] as const) {
    it(`keeps the cache in ${cacheDir} with ${JSON.stringify(env)}`, () =>
      assert.equal(createContext({ env }).cacheDir, cacheDir));
  }
});
