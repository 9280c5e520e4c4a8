/** The Node.js that runs everything. */
import { join } from "node:path";
import { REPOSITORY_ROOT } from "../host/context.ts";
import { ToolchainError, type Part, type PartStatus } from "../host/part.ts";
import { isExecutable } from "../host/path.mjs";
import { run } from "../host/run.ts";
import { findVersion } from "../host/versions.ts";

const LOCATION = join(REPOSITORY_ROOT, "node_modules", ".bin", "node");

/** Node.js is an npm dependency of this repository, so that every machine runs the same version. */
export const nodePart: Part = {
  name: "node",
  inspect: async () => {
    if (!isExecutable(LOCATION)) return missing;
    if (process.execPath.startsWith(join(REPOSITORY_ROOT, "node_modules"))) {
      return { name: "node", version: process.versions.node, way: "downloaded", location: LOCATION };
    }
    const { code, stdout } = await run(LOCATION, ["--version"], { timeoutMs: 5_000 });
    return code === 0
      ? { name: "node", version: findVersion(stdout), way: "downloaded", location: LOCATION }
      : missing;
  },
  ensure: async (context) => {
    const status = await nodePart.inspect(context);
    if (status.way === "missing")
      throw new ToolchainError("The repository's own Node.js is missing.", REMEDY);
    return status;
  },
};

const REMEDY = "Run `npm install` in the repository: the npm package `node` brings it.";
const missing: PartStatus = { name: "node", way: "missing", remedy: REMEDY };
