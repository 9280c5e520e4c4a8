/** Provides what the service of the peers needs: PostgreSQL, Redis and two versions of the service's image. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stageContext } from "../../infra/components/backend/context.ts";
import { imageNames, readSettings } from "../../ops/stack/settings.ts";
import { call, eventually } from "../../test/support/http.ts";
import { parseRows } from "./measure.ts";
import type { Environment } from "./scenario.ts";
import { freePort } from "../../tools/host/free-port.ts";

/** Everything that a peer is given. */
export interface PeerEnvironment extends Environment {
  readonly port: number;
  readonly network: string;
  /** The image that is deployed first, and the image that is deployed after it. */
  readonly images: readonly [string, string];
  /** Waits until this version answers steadily. */
  answers(version: string): Promise<void>;
  remove(): void;
}

const REPOSITORY = join(import.meta.dirname, "../..");

export const run = (program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string =>
  execFileSync(program, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 2 ** 28,
  });

export async function createPeerEnvironment(): Promise<PeerEnvironment> {
  const name = `resil-peers-${process.pid}`;
  const { config } = readSettings(REPOSITORY, "dev");
  const wanted = imageNames("dev", config);
  const image = (part: string): string => {
    const found = wanted.find((candidate) => candidate.startsWith(`${part}:`));
    if (found === undefined) throw new Error(`no image of ${part} among ${wanted.join(", ")}`);
    return found;
  };
  const folder = mkdtempSync(join(tmpdir(), "omniai-environment-"));
  const { folder: context } = stageContext(REPOSITORY, folder, image("node"));
  const images = ["1", "2"].map((version) => {
    const tag = `${name}:${version}`;
    const options = ["--build-arg", `NODE_IMAGE=${image("node")}`, "--label", `version=${version}`];
    run("docker", ["build", "-q", "-f", `${context}/service/Dockerfile`, "-t", tag, ...options, context]);
    return tag;
  }) as [string, string];
  rmSync(folder, { recursive: true, force: true });

  run("docker", ["network", "create", name]);
  const start = (part: string, ...rest: string[]): string =>
    run("docker", [
      "run",
      "-d",
      "--name",
      `${name}-${part}`,
      "--network",
      name,
      "--network-alias",
      part,
      ...rest,
    ]);
  // No password is needed: it is reachable only from this network, and it is removed after the run.
  const database = ["POSTGRES_USER=omniai", "POSTGRES_HOST_AUTH_METHOD=trust"];
  start("postgres", ...database.flatMap((variable) => ["-e", variable]), image("postgres"));
  start("redis", image("redis"), "redis-server", "--appendonly", "yes");
  const sql = (statement: string): string =>
    run("docker", ["exec", `${name}-postgres`, "psql", "-X", "-At", "-U", "omniai", "-c", statement]);
  await eventually("PostgreSQL", 60, () => sql("SELECT 1"));
  const migrate = ["run", "--rm", "--network", name, "-e", "PGHOST=postgres", images[0]];
  await eventually("the migrations", 60, () =>
    run("docker", [...migrate, "node", "service/dist/migrate.js"]),
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    // A peer's replacement container has another address each time.
    direct: () => Promise.resolve(undefined),
    port,
    network: name,
    images,
    storedRows: (rows) =>
      Promise.resolve(
        parseRows(sql(`SELECT client FROM client_reports WHERE client LIKE '${rows}-%'`), rows),
      ),
    watch: () => ({ stop: () => [] }),
    restore: () => undefined,
    answers: (version) =>
      eventually(`version ${version} at ${url}`, 120, async () => {
        const { status, text } = await call(`${url}/api/diag`);
        return status === 200 && (JSON.parse(text) as { build: string }).build === version;
      }).then(() => undefined),
    remove() {
      for (const part of ["postgres", "redis"]) run("docker", ["rm", "-f", "-v", `${name}-${part}`]);
      run("docker", ["network", "rm", name]);
      run("docker", ["rmi", ...images]);
    },
  };
}
