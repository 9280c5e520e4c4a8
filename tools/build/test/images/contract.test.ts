/**
 * What the stack relies on in the official images, tried on the images that the engine has: the official ones where a
 * registry answers, the stand-ins where none does. Both must pass.
 */
import { strict as assert } from "node:assert";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { enginePart, resolveDockerHost } from "../../../find/engine/index.ts";
import { ensureImages } from "../../../find/images/index.ts";
import type { PartStatus } from "../../../host/part.ts";
import { run } from "../../../host/run.ts";
import { docker, testContext, until } from "../../../host/test/support/engine.ts";

const POSTGRES = "postgres:17-trixie";
const REDIS = "redis:8";
const NGINX = "nginx:1.30-trixie";
const NODE = "node:24-trixie-slim";
/** As the stack runs its containers. */
const HARDENED = [
  "--read-only",
  "--cap-drop",
  "ALL",
  "--security-opt",
  "no-new-privileges:true",
  "--network",
  "none",
];

describe("images: the contract, on the real engine @engine", function () {
  this.timeout(180_000);
  const run_id = `omniai-test-images-${process.pid}`;
  const containers: string[] = [];
  const volumes: string[] = [];
  let folder: string;
  let statuses: readonly PartStatus[];

  before(async function () {
    // On a machine without the images they are pulled or built here.
    this.timeout(1_200_000);
    const cache =
      process.env["OMNIAI_CACHE"] ??
      join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "omniai");
    const context = testContext(cache);
    await enginePart.ensure(context);
    const host = await resolveDockerHost(process.env);
    statuses = await ensureImages(context, [POSTGRES, REDIS, NGINX, NODE], host);
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-images-"));
    chmodSync(folder, 0o755);
  });

  afterEach(async () => {
    for (const name of containers.splice(0)) await run("docker", ["rm", "--force", "--volumes", name]);
    for (const name of volumes.splice(0)) await run("docker", ["volume", "rm", "--force", name]);
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(args: readonly string[]): Promise<string> {
    const name = `${run_id}-${containers.length}-${Date.now()}`;
    containers.push(name);
    await docker(["run", "--detach", "--name", name, ...args]);
    return name;
  }
  async function volume(): Promise<string> {
    const name = `${run_id}-${volumes.length}-${Date.now()}`;
    volumes.push(name);
    await docker(["volume", "create", name]);
    return name;
  }
  const exec = async (name: string, ...command: string[]): Promise<string> =>
    (await docker(["exec", name, ...command])).stdout.trim();
  const succeeds = async (name: string, ...command: string[]): Promise<boolean> =>
    (await run("docker", ["exec", name, ...command])).code === 0;
  /** Both outputs, whole and in order. */
  const logs = async (name: string): Promise<string> =>
    (await run("sh", ["-c", 'docker logs "$0" 2>&1', name])).stdout;
  const stateOf = async (name: string, field: string): Promise<string> =>
    (await docker(["inspect", "--format", `{{.State.${field}}}`, name])).stdout.trim();
  const config = async (image: string): Promise<string> =>
    (await docker(["image", "inspect", "--format", "{{json .Config}}", image])).stdout;
  const file = (name: string, content: string | Buffer, mode = 0o644): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };

  it("each image has the labels of a stand-in", () => {
    for (const status of statuses) {
      assert.notEqual(status.way, "missing", status.name);
      if (status.way !== "built") continue;
      assert.match(
        status.limits?.join(" ") ?? "",
        /is a stand-in built here from .*Debian's \S+ \S+.*it lacks/,
      );
    }
  });

  describe("postgres", () => {
    const asUser = [
      "--user",
      "999:999",
      "--tmpfs",
      "/var/run/postgresql:uid=999,gid=999,mode=3777",
      "--tmpfs",
      "/tmp",
    ];
    const query = async (name: string, sql: string, database = "app"): Promise<string> =>
      await exec(name, "psql", "-U", "owner", "-d", database, "-qtAX", "-c", sql);
    /** Over TCP: only the final server listens there. */
    const ready = async (name: string, user = "owner"): Promise<void> =>
      await until(`postgres in ${name} answers over TCP`, async () => {
        if ((await stateOf(name, "Running")) !== "true") throw new Error(await logs(name));
        return await succeeds(name, "pg_isready", "-h", "127.0.0.1", "-U", user);
      });

    it("runs as 999:999 on a read-only root, with password file, init scripts and pg_stat_statements", async () => {
      const data = await volume();
      const password = file("password", "s3cret");
      file("1-table.sql", "CREATE TABLE one (a int); CREATE EXTENSION pg_stat_statements;");
      file(
        "2-more.sh",
        '#!/bin/sh\npsql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO one VALUES (7)"\n',
        0o755,
      );
      file("3-last.sql.gz", gzipSync("INSERT INTO one VALUES (8);"));
      rmSync(password);
      const secret = mkdtempSync(join(tmpdir(), "omniai-secret-"));
      writeFileSync(join(secret, "password"), "s3cret");
      chmodSync(secret, 0o755);
      try {
        const args = [
          ...[...HARDENED, ...asUser],
          ...[
            "--volume",
            `${data}:/var/lib/postgresql/data`,
            "--volume",
            `${folder}:/docker-entrypoint-initdb.d:ro`,
          ],
          ...[
            "--volume",
            `${secret}:/run/secrets:ro`,
            "--env",
            "POSTGRES_PASSWORD_FILE=/run/secrets/password",
          ],
          ...[
            "--env",
            "POSTGRES_USER=owner",
            "--env",
            "POSTGRES_DB=app",
            "--env",
            "POSTGRES_INITDB_ARGS=--data-checksums",
          ],
          ...[POSTGRES, "-c", "shared_preload_libraries=pg_stat_statements", "-c", "track_io_timing=on"],
        ];
        const name = await start(args);
        await ready(name);
        assert.equal(await query(name, "SELECT string_agg(a::text, ',' ORDER BY a) FROM one"), "7,8");
        assert.equal(await query(name, "SELECT count(*) > 0 FROM pg_stat_statements"), "t");
        assert.equal(await query(name, "SHOW data_checksums"), "on");
        assert.equal(await query(name, "SHOW track_io_timing"), "on");
        assert.match(await query(name, "SHOW server_version"), /^17\./);
        assert.match(
          await query(name, "SELECT datcollate FROM pg_database WHERE datname = 'app'"),
          /en_US\.utf-?8/i,
        );
        assert.equal(await exec(name, "id", "-u"), "999");
        assert.equal(await exec(name, "stat", "-c", "%a %u:%g", "/var/lib/postgresql/data"), "700 999:999");
        assert.match(
          await exec(name, "cat", "/var/lib/postgresql/data/pg_hba.conf"),
          /^host all all all scram-sha-256$/m,
        );

        // A stop is a fast shutdown: clean, within the grace.
        await docker(["stop", "--time", "20", name]);
        assert.equal(await stateOf(name, "ExitCode"), "0");
        await docker(["start", name]);
        await ready(name);
        assert.equal(await query(name, "SELECT count(*) FROM one"), "2", "the scripts ran once only");
      } finally {
        rmSync(secret, { recursive: true });
      }
    });

    it("starts as root with variables, and changes to the user postgres", async () => {
      const name = await start(["--network", "none", "--env", "POSTGRES_PASSWORD=p", POSTGRES]);
      await ready(name, "postgres");
      assert.equal(await exec(name, "stat", "-c", "%u", "/proc/1"), "999");
      assert.equal(await exec(name, "psql", "-U", "postgres", "-qtAXc", "SELECT current_user"), "postgres");
    });

    it("asks hosts for the password", async () => {
      const name = await start(["--env", "POSTGRES_PASSWORD=right", POSTGRES]);
      await ready(name, "postgres");
      const address = await exec(name, "hostname", "-i");
      const login = (password: string): Promise<boolean> =>
        succeeds(
          name,
          "env",
          `PGPASSWORD=${password}`,
          "psql",
          "-h",
          address,
          "-U",
          "postgres",
          "-c",
          "SELECT 1",
        );
      assert.equal(await login("wrong"), false);
      assert.equal(await login("right"), true);
    });

    it("refuses to initialise without a password", async () => {
      const name = await start([...HARDENED, ...asUser, POSTGRES]);
      await until("it ends", async () => (await stateOf(name, "Running")) === "false");
      assert.notEqual(await stateOf(name, "ExitCode"), "0");
      assert.match(await logs(name), /POSTGRES_PASSWORD/);
    });

    it("answers no TCP health check while it initialises", async () => {
      file("slow.sh", "#!/bin/sh\nuntil [ -e /docker-entrypoint-initdb.d/go ]; do sleep 0.1; done\n", 0o755);
      const mount = ["--volume", `${folder}:/docker-entrypoint-initdb.d:ro`];
      const name = await start(["--network", "none", "--env", "POSTGRES_PASSWORD=p", ...mount, POSTGRES]);
      await until("the temporary server is up", () => succeeds(name, "pg_isready", "-U", "postgres"));
      assert.equal(await succeeds(name, "pg_isready", "-h", "127.0.0.1", "-U", "postgres"), false);
      file("go", "");
      await ready(name, "postgres");
    });

    it("does not use a data folder whose first initialisation was cut off", async function () {
      // The official image does not promise this.
      if (statuses[0]?.way !== "built") return this.skip();
      const data = await volume();
      const slow = file("slow", "");
      file("1.sh", "#!/bin/sh\n[ ! -e /docker-entrypoint-initdb.d/slow ] || sleep 60\n", 0o755);
      file("2.sql", "CREATE TABLE last (a int);");
      const name = await start([
        ...[...HARDENED, ...asUser, "--env", "POSTGRES_PASSWORD=p"],
        ...[
          "--volume",
          `${data}:/var/lib/postgresql/data`,
          "--volume",
          `${folder}:/docker-entrypoint-initdb.d:ro`,
          POSTGRES,
        ],
      ]);
      await until("the first script runs", async () => /1\.sh/.test(await logs(name)));
      await docker(["kill", name]);
      rmSync(slow);
      await docker(["start", name]);
      await ready(name, "postgres");
      assert.match(await logs(name), /initialising again/);
      assert.equal(await exec(name, "psql", "-U", "postgres", "-qtAXc", "SELECT count(*) FROM last"), "0");
    });

    it("changes nothing in a folder that is not PostgreSQL's", async function () {
      if (statuses[0]?.way !== "built") return this.skip();
      chmodSync(folder, 0o777);
      const theirs = file("letters.txt", "keep");
      const mount = ["--volume", `${folder}:/var/lib/postgresql/data`];
      const name = await start(["--network", "none", "--env", "POSTGRES_PASSWORD=p", ...mount, POSTGRES]);
      await until("it ends", async () => (await stateOf(name, "Running")) === "false");
      assert.match(await logs(name), /not empty \(letters\.txt \)\. Nothing was changed/);
      assert.equal(existsSync(theirs), true);
    });

    it("has the image settings of the official one", async () => {
      const made = await config(POSTGRES);
      assert.match(made, /"StopSignal":"SIGINT"/);
      assert.match(made, /"ExposedPorts":\{"5432\/tcp":\{\}\}/);
      assert.match(made, /"Volumes":\{"\/var\/lib\/postgresql\/data":\{\}\}/);
      assert.match(made, /"Entrypoint":\["docker-entrypoint\.sh"\]/);
      assert.match(made, /PGDATA=\/var\/lib\/postgresql\/data/);
      for (const tool of ["pg_dump", "pg_basebackup", "pg_receivewal", "pg_verifybackup", "psql", "zstd"]) {
        await docker(["run", "--rm", "--network", "none", POSTGRES, tool, "--version"]);
      }
    });
  });

  describe("redis", () => {
    it("runs as 999 on a read-only root, keeps its log over a kill, and takes flags", async () => {
      const data = await volume();
      const name = await start([
        ...[...HARDENED, "--user", "999:999", "--volume", `${data}:/data`, REDIS],
        ...[
          "--appendonly",
          "yes",
          "--appendfsync",
          "always",
          "--maxmemory",
          "64mb",
          "--maxmemory-policy",
          "noeviction",
        ],
      ]);
      const ping = (): Promise<boolean> => succeeds(name, "sh", "-c", '[ "$(redis-cli ping)" = PONG ]');
      await until("redis answers", ping);
      assert.equal(await exec(name, "redis-cli", "XADD", "log", "1-1", "k", "v"), "1-1");
      assert.equal(await exec(name, "redis-cli", "WAITAOF", "1", "0", "1000"), "1\n0");
      assert.equal(
        await exec(name, "redis-cli", "CONFIG", "GET", "maxmemory-policy"),
        "maxmemory-policy\nnoeviction",
      );
      assert.equal(await exec(name, "id", "-u"), "999");
      await docker(["kill", name]);
      await docker(["start", name]);
      await until("redis answers again", ping);
      assert.equal(await exec(name, "redis-cli", "XLEN", "log"), "1");
      await docker(["stop", "--time", "10", name]);
      assert.equal(await stateOf(name, "ExitCode"), "0");
    });

    it("starts as root, changes to the user redis, and accepts other containers", async () => {
      const name = await start([REDIS]);
      await until("redis answers", () => succeeds(name, "redis-cli", "ping"));
      assert.equal(await exec(name, "stat", "-c", "%u", "/proc/1"), "999");
      const address = await exec(name, "hostname", "-i");
      const answer = await docker(["run", "--rm", REDIS, "redis-cli", "-h", address, "ping"]);
      assert.equal(answer.stdout.trim(), "PONG");
    });

    it("takes a configuration file, and keeps its protected mode", async () => {
      file("redis.conf", "port 6380\nprotected-mode yes\n");
      const name = await start([
        "--network",
        "none",
        "--volume",
        `${folder}:/etc/r:ro`,
        REDIS,
        "/etc/r/redis.conf",
      ]);
      await until("redis answers", () => succeeds(name, "redis-cli", "-p", "6380", "ping"));
      assert.equal(
        await exec(name, "redis-cli", "-p", "6380", "CONFIG", "GET", "protected-mode"),
        "protected-mode\nyes",
      );
    });

    it("has the image settings of the official one", async () => {
      const made = await config(REDIS);
      assert.match(made, /"ExposedPorts":\{"6379\/tcp":\{\}\}/);
      assert.match(made, /"WorkingDir":"\/data"/);
      assert.match((await docker(["run", "--rm", REDIS, "redis-server", "--version"])).stdout, /v=8\./);
    });
  });

  describe("nginx", () => {
    const asUser = [
      "--user",
      "101:101",
      "--tmpfs",
      "/var/cache/nginx:uid=101,gid=101",
      "--tmpfs",
      "/run:uid=101,gid=101",
    ];
    const CONFIG = `
      pid /run/nginx.pid;
      events {}
      http {
        keepalive_min_timeout 5s;
        server {
          listen 8080;
          location / { return 200 "pid \${pid}\\n"; }
        }
      }`;

    it("runs as 101 on a read-only root with its own configuration, checks it, reloads it, and logs to its outputs", async () => {
      file("nginx.conf", CONFIG);
      const name = await start([
        ...HARDENED,
        ...asUser,
        "--volume",
        `${folder}:/etc/edge:ro`,
        NGINX,
        "nginx",
        "-c",
        "/etc/edge/nginx.conf",
        "-g",
        "daemon off;",
      ]);
      await until("nginx answers", () => succeeds(name, "curl", "-fsS", "http://127.0.0.1:8080/"));
      await docker(["exec", name, "nginx", "-t", "-c", "/etc/edge/nginx.conf"]);
      const before = await exec(name, "curl", "-fsS", "http://127.0.0.1:8080/");
      await docker(["exec", name, "nginx", "-c", "/etc/edge/nginx.conf", "-s", "reload"]);
      await until(
        "new workers answer",
        async () => (await exec(name, "curl", "-fsS", "http://127.0.0.1:8080/")) !== before,
      );
      assert.match(await logs(name), /GET \/ HTTP\/1\.1/);
      file("nginx.conf", `${CONFIG} nonsense;`);
      assert.equal(await succeeds(name, "nginx", "-t", "-c", "/etc/edge/nginx.conf"), false);
      await docker(["stop", "--time", "10", name]);
      assert.equal(await stateOf(name, "ExitCode"), "0");
    });

    it("takes a configuration mounted at its usual place", async () => {
      const path = file("nginx.conf", CONFIG);
      const name = await start([
        ...HARDENED,
        ...asUser,
        "--volume",
        `${path}:/etc/nginx/nginx.conf:ro`,
        NGINX,
      ]);
      await until("nginx answers", () => succeeds(name, "curl", "-fsS", "http://127.0.0.1:8080/"));
      await docker(["exec", name, "nginx", "-t"]);
    });

    it("serves its own page as root with workers of nginx, and runs the scripts of /docker-entrypoint.d", async () => {
      const script = file("50-own.sh", "#!/bin/sh\necho own script ran\n", 0o755);
      const name = await start([
        "--network",
        "none",
        "--volume",
        `${script}:/docker-entrypoint.d/50-own.sh:ro`,
        NGINX,
      ]);
      await until("nginx answers", () => succeeds(name, "curl", "-fsS", "http://127.0.0.1/"));
      assert.match(await exec(name, "curl", "-sI", "http://127.0.0.1/"), /200 OK/);
      assert.match(await logs(name), /own script ran/);
      assert.equal(await exec(name, "sh", "-c", "stat -c %u /proc/[0-9]*/ | sort -u | grep -c 101"), "1");
    });

    it("has the image settings of the official one, and curl and openssl", async () => {
      const made = await config(NGINX);
      assert.match(made, /"StopSignal":"SIGQUIT"/);
      assert.match(made, /"ExposedPorts":\{"80\/tcp":\{\}\}/);
      assert.match(made, /"Entrypoint":\["\/docker-entrypoint\.sh"\]/);
      await docker(["run", "--rm", "--network", "none", NGINX, "curl", "--version"]);
      await docker(["run", "--rm", "--network", "none", NGINX, "openssl", "version"]);
      const [, minor = "0"] =
        /nginx\/1\.(\d+)\./.exec((await docker(["run", "--rm", NGINX, "nginx", "-v"])).tail.join(" ")) ?? [];
      assert.ok(Number(minor) >= 30);
    });
  });

  describe("node", () => {
    it("runs TypeScript as 1000 on a read-only root, and ends on SIGTERM", async () => {
      file(
        "main.ts",
        'const on: string = "on"; process.on("SIGTERM", () => process.exit(0)); console.log(on, process.version, process.getuid?.()); setInterval(() => {}, 1000);\n',
      );
      const name = await start([
        ...HARDENED,
        "--user",
        "1000:1000",
        "--volume",
        `${folder}:/app:ro`,
        "--workdir",
        "/app",
        NODE,
        "main.ts",
      ]);
      await until("it has started", async () => /^on v24\.\d+\.\d+ 1000$/m.test(await logs(name)));
      await docker(["stop", "--time", "10", name]);
      assert.equal(await stateOf(name, "ExitCode"), "0");
    });

    it("passes flags and files to node, and runs commands as they are", async () => {
      const said = async (...args: string[]): Promise<string> =>
        (await docker(["run", "--rm", "--network", "none", NODE, ...args])).stdout.trim();
      assert.equal(await said("-p", "1 + 1"), "2");
      assert.match(await said("npm", "--version"), /^\d+\./);
      assert.match(await said("npx", "--version"), /^\d+\./);
      assert.equal(await said("id", "-un", "node"), "node");
      assert.equal(await said("id", "-u", "node"), "1000");
      assert.equal(await said("sh", "-c", "command -v node"), "/usr/local/bin/node");
      assert.match(await said("sh", "-c", "echo v$NODE_VERSION; node --version"), /^(v24\.\d+\.\d+)\n\1$/);
    });

    it("has the image settings of the official one", async () => {
      const made = await config(NODE);
      assert.match(made, /"Entrypoint":\["docker-entrypoint\.sh"\]/);
      assert.match(made, /"Cmd":\["node"\]/);
    });
  });
});
