/** A bucket for a shared state, on a real S3 server that keeps every object as a file. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { versitygwPart } from "../../tools/find/versitygw.ts";
import { createContext } from "../../tools/host/context.ts";
import { call, eventually } from "./http.ts";
import { freePort } from "../../tools/host/free-port.ts";

export interface Bucket {
  /** What the Pulumi CLI gets in its environment to keep state there. */
  readonly env: NodeJS.ProcessEnv;
  /** The bucket's objects, as files. */
  readonly folder: string;
  /** The names of all objects that begin with this. */
  objects(prefix: string): string[];
  remove(): void;
}

const NAME = "state";
const REGION = "us-east-1";

export async function startBucket(): Promise<Bucket> {
  const program = await versitygwPart.ensure(createContext());
  const root = mkdtempSync(join(tmpdir(), "omniai-s3-"));
  const folder = join(root, NAME);
  mkdirSync(folder);
  const port = await freePort();
  const keys = { access: "test", secret: "test-secret" };
  const server = spawn(
    program,
    // A folder in the root is a bucket; beside the files, so that a file system without attributes will do.
    [
      ...["--access", keys.access, "--secret", keys.secret, "--region", REGION],
      ...["--port", `127.0.0.1:${port}`, "--health", "/health", "--quiet"],
      ...["posix", "--nometa", root],
    ],
    { stdio: "ignore" },
  );
  await eventually(
    "an S3 server",
    60,
    async () => (await call(`http://127.0.0.1:${port}/health`)).status === 200,
  );
  const url = new URL(`s3://${NAME}`);
  url.search = new URLSearchParams({
    region: REGION,
    endpoint: `http://127.0.0.1:${port}`,
    use_path_style: "true",
  }).toString();
  return {
    env: {
      PULUMI_BACKEND_URL: url.href,
      AWS_ACCESS_KEY_ID: keys.access,
      AWS_SECRET_ACCESS_KEY: keys.secret,
    },
    folder,
    objects: (prefix) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
        .filter((name) => name.startsWith(prefix)),
    remove() {
      server.kill();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
