/** A backup room and a PostgreSQL of a test's own, as the stack makes them, without Pulumi. */
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import {
  renderAccess,
  renderBackupRole,
  planBackupSettings,
  renderSynchronous,
} from "../../../infra/components/database/backup-access.ts";
import { renderRedisConfig, renderUsers } from "../../../infra/components/cache/redis.ts";
import { planSettings, PROVISION_OPTIONS } from "../../../infra/components/database/database.ts";
import { renderProvision } from "../../../infra/components/database/provision.ts";
import { scramVerifier, stableSalt } from "../../../infra/components/database/scram.ts";
import {
  parseEvent,
  type BackupView,
  type RoomEvent,
  type RoomStatus,
} from "../../../ops/engine/backup-room.ts";
import { defaults } from "../../../infra/test/defaults.ts";
import { longBeforeTheNext } from "../backup-time.ts";
import { buildImage, docker, PASSWORD, POSTGRES } from "./engine.ts";
import { RedisServer } from "./redis-server.ts";

export { buildImage, docker, patience } from "./engine.ts";

const ROLE = "omniai_backup";

export interface Answer {
  readonly code: number;
  readonly events: readonly RoomEvent[];
  /** What an error says, and what to do. */
  readonly what: string;
  readonly remedy: string;
}

export interface Listing {
  readonly backups: readonly (BackupView & { readonly day: string })[];
  readonly status: RoomStatus & { readonly failure: { readonly what: string } | null };
}

export interface Restored {
  readonly backup: BackupView;
  /** Of what was kept. */
  readonly mark?: string;
  readonly until: string;
  readonly changes: readonly {
    readonly table: string;
    readonly backup: number | null;
    readonly now: number | null;
  }[];
}

export interface WorldOptions {
  /** Flags of the backup volume, for `docker volume create`; default: a plain one. */
  readonly volume?: readonly string[];
  /** What PostgreSQL keeps for a room that is away, in MiB; default: as in a stack. */
  readonly walKeep?: number;
  /** Whether a commit waits for the room; default: no, as in a stack. */
  readonly synchronous?: boolean;
  /** With a Redis that the room copies; default: none. */
  readonly redis?: boolean;
  /** False where others run PostgreSQL. */
  readonly postgres?: boolean;
}

/** One server, one room, and a network without a way out between them. */
export class World {
  readonly #name = `omniai-test-room-${randomBytes(4).toString("hex")}`;
  /** Started where the options say so. */
  readonly redis = new RedisServer(this.#name);
  readonly #image: string;
  readonly #options: WorldOptions;
  /** The same for each of its rooms: another one would find another day due. */
  readonly #backupTime = longBeforeTheNext();

  private constructor(image: string, options: WorldOptions) {
    this.#image = image;
    this.#options = options;
  }

  static async create(image: string, options: WorldOptions = {}): Promise<World> {
    const world = new World(image, options);
    await docker("network", "create", "--internal", world.#name);
    await docker("volume", "create", ...(options.volume ?? []), `${world.#name}-backup`);
    await world.#secrets();
    if (options.postgres !== false) await world.startPostgres();
    if (options.redis) await world.redis.start();
    return world;
  }

  /** The room's network, and how all names begin. */
  get name(): string {
    return this.#name;
  }

  get room(): string {
    return `${this.#name}-room`;
  }

  get network(): string {
    return this.#name;
  }

  get postgres(): string {
    return `${this.#name}-postgres`;
  }

  async #secrets(): Promise<void> {
    const script =
      'printf "%s" "$HBA" > /secrets/pg_hba.conf; printf "%s" "$PGPASS" > /secrets/pgpass; printf "%s" "$REDIS" > /secrets/redis.conf; printf "%s" "$USERS" > /secrets/users.acl; printf "%s" "$PASSWORD" > /secrets/redis-password; chmod 400 /secrets/*; chown -R 999:999 /secrets';
    await docker(
      ...["run", "--rm", "--user", "0", "--network", "none", "--entrypoint", "sh"],
      ...["-v", `${this.#name}-secrets:/secrets`, "-v", `${this.#name}-backup:/var/lib/postgresql/data`],
      ...["-e", `HBA=${renderAccess(ROLE)}`, "-e", `PGPASS=*:*:*:${ROLE}:${PASSWORD}\n`],
      ...["-e", `REDIS=${renderRedisConfig(Number(defaults["redisMemory"]))}`, "-e", `PASSWORD=${PASSWORD}`],
      ...["-e", `USERS=${renderUsers(PASSWORD, PASSWORD)}`, POSTGRES, "-c", script],
    );
  }

  /** More files for the room, as the stack would give them; those of the same name are replaced. */
  async addSecrets(files: Readonly<Record<string, string>>): Promise<void> {
    const names = Object.keys(files);
    const script = names.map((name, index) => `printf "%s" "$F${index}" > /secrets/${name}`).join("\n");
    await docker(
      ...["run", "--rm", "--user", "0", "--network", "none", "--entrypoint", "sh"],
      ...["-v", `${this.#name}-secrets:/secrets`],
      ...names.flatMap((name, index) => ["-e", `F${index}=${files[name] ?? ""}`]),
      ...[POSTGRES, "-c", `set -e\n${script}\nchmod 400 /secrets/*; chown -R 999:999 /secrets`],
    );
  }

  /** The backup volume is lost with all that is in it; a new one is there. */
  async loseBackups(): Promise<void> {
    await this.stopRoom();
    await docker("volume", "rm", `${this.#name}-backup`);
    await docker("volume", "create", `${this.#name}-backup`);
  }

  /** A new server with new, empty data, as after the loss of its volume. */
  async startPostgres(): Promise<void> {
    const settings = {
      ...planSettings(384),
      ...planBackupSettings(this.#options.walKeep ?? Number(defaults["postgresWalKeep"])),
      hba_file: "/run/secrets/pg_hba.conf",
    };
    await docker(
      ...["run", "-d", "--name", this.postgres, "--network", this.#name, "--network-alias", "postgres"],
      ...["--user", "999:999", "--memory", "384m", "-e", `POSTGRES_PASSWORD=${PASSWORD}`],
      // An empty server need not outlive this machine.
      ...["-e", "POSTGRES_INITDB_ARGS=--no-sync"],
      ...["-v", `${this.#name}-secrets:/run/secrets:ro`, POSTGRES, "postgres"],
      ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
    );
    await docker(
      ...["exec", this.postgres, "sh", "-c"],
      "for i in $(seq 240); do pg_isready -q -h 127.0.0.1 && exit 0; sleep 0.5; done; exit 1",
    );
    const verifier = (role: string): string => scramVerifier(PASSWORD, stableSalt(role, PASSWORD));
    await this.psql(
      [
        renderProvision({ role: "omniai", database: "omniai", verifier: verifier("omniai") }),
        renderBackupRole({ role: ROLE, database: "omniai", verifier: verifier(ROLE) }),
        renderSynchronous(this.#options.synchronous ?? false),
      ].join("\n"),
    );
  }

  /** Runs a script as the stack does when it provisions the server. */
  psql(script: string): Promise<void> {
    const child = spawn(
      "docker",
      [
        ...["exec", "-i", "-e", `PGOPTIONS=${PROVISION_OPTIONS}`, this.postgres],
        ...["psql", "-XqU", "postgres", "-d", "postgres", "-f", "-"],
      ],
      { stdio: ["pipe", "ignore", "inherit"] },
    );
    child.stdin.end(script);
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`psql ended with ${code}`))));
    });
  }

  /** The server and its data volume are gone at once. */
  async losePostgres(): Promise<void> {
    await docker("rm", "--force", "--volumes", this.postgres);
  }

  sql(statement: string): Promise<string> {
    return docker("exec", this.postgres, "psql", "-XqAtU", "postgres", "-d", "omniai", "-c", statement);
  }

  /** Starts the room as the stack does, with all of its limits. */
  async startRoom(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    const variables = {
      PGHOST: "postgres",
      PGUSER: ROLE,
      OMNIAI_PGPASS_FILE: "/run/secrets/pgpass",
      OMNIAI_BACKUP_TIME: this.#backupTime,
      // A stack's room looks every ten seconds.
      OMNIAI_ROOM_EVERY: "1",
      ...(this.#options.redis
        ? { OMNIAI_REDIS_HOST: "redis", OMNIAI_REDIS_PASSWORD_FILE: "/run/secrets/redis-password" }
        : {}),
      ...environment,
    };
    await docker(
      ...[
        "run",
        "-d",
        "--init",
        "--name",
        this.room,
        "--network",
        this.#name,
        "--read-only",
        "--user",
        "999:999",
      ],
      ...[
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--memory",
        "256m",
        "--pids-limit",
        "128",
      ],
      // A server that is lost has no name any more, and in a network without a way out nobody else answers for it.
      ...["--dns-opt", "timeout:1", "--dns-opt", "attempts:1"],
      ...["--tmpfs", "/run/room:size=1m,mode=0700,uid=999,gid=999", "--tmpfs", "/tmp:size=16m"],
      ...[
        "-v",
        `${this.#name}-backup:/var/lib/postgresql/data`,
        "-v",
        `${this.#name}-secrets:/run/secrets:ro`,
      ],
      ...Object.entries(variables).flatMap(([key, value]) => ["-e", `${key}=${value}`]),
      this.#image,
    );
  }

  async stopRoom(): Promise<void> {
    await docker("rm", "--force", this.room);
  }

  inRoom(script: string): Promise<string> {
    return docker("exec", this.room, "sh", "-c", script);
  }

  #run(...args: string[]): Promise<{ code: number; stdout: string }> {
    return new Promise((resolve) => {
      execFile("docker", ["exec", ...args], (error, out) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout: out }),
      );
    });
  }

  /** Runs a verb of the room's program to its end, whatever that is. */
  ask(...args: string[]): Promise<Answer> {
    return this.askWith({}, ...args);
  }

  /** The same, with other settings than the room's own. */
  async askWith(environment: Readonly<Record<string, string>>, ...args: string[]): Promise<Answer> {
    const variables = Object.entries(environment).flatMap(([key, value]) => ["-e", `${key}=${value}`]);
    const { code, stdout } = await this.#run(...variables, this.room, "python3", "-m", "room", ...args);
    const events = parseEvents(stdout);
    const last = events.at(-1);
    return {
      code,
      events,
      what: last?.event === "error" ? last.what : "",
      remedy: last?.event === "error" ? last.remedy : "",
    };
  }

  /** The same, for one that has to succeed. @returns its last line */
  async get<T>(...args: string[]): Promise<T> {
    const { code, events, what } = await this.ask(...args);
    const last = events.at(-1);
    if (code !== 0 || last?.event !== "done") throw new Error(`room ${args.join(" ")}: code ${code} ${what}`);
    return last as unknown as T;
  }

  /** The command lines of all that runs in the room. */
  async programs(): Promise<string[]> {
    const text = await this.inRoom(
      "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null",
    );
    return text.split("\n").filter((line) => line.trim() !== "");
  }

  /**
   * Runs a backup that gets SIGKILL right after it has started the first program of a step. It does that itself, because a
   * step may be over before another process comes to it.
   * @param args of the verb `backup`. @returns what it said until then. @throws Error where it came to its end
   */
  async killedAt(step: string, ...args: string[]): Promise<readonly RoomEvent[]> {
    const script = `
import os, signal, subprocess, sys
from room import __main__, progress
step, say, start, reached = sys.argv[1], progress.say, subprocess.Popen.__init__, []
def saying(event, **more):
    say(event, **more)
    if step in more.get("text", ""):
        reached.append(event)
def starting(self, *given, **more):
    start(self, *given, **more)
    if reached:
        os.kill(os.getpid(), signal.SIGKILL)
progress.say, subprocess.Popen.__init__ = saying, starting
sys.argv = ["room", "backup", *sys.argv[2:]]
sys.exit(__main__.main())`;
    const killed = 137;
    const { code, stdout } = await this.#run(this.room, "python3", "-c", script, step, ...args);
    if (code !== killed) throw new Error(`it ended with code ${code}, and without "${step}":\n${stdout}`);
    return parseEvents(stdout);
  }

  /** The processes of a program in the room. */
  async pidsOf(program: string): Promise<string[]> {
    const script = `for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = ${program} ] && echo \${p#/proc/}; done; true`;
    return (await this.inRoom(script)).split("\n").filter((line) => line !== "");
  }

  /** What the room's loop has logged since its start. */
  roomLog(): Promise<string> {
    return docker("logs", this.room);
  }

  /** Waits for a line of that log, also of before. @throws Error where the room ends or the time is over without one */
  async untilLogged(pattern: RegExp, seconds: number): Promise<void> {
    const child = spawn("docker", ["logs", "--follow", this.room], { stdio: ["ignore", "pipe", "ignore"] });
    const late = setTimeout(() => void child.kill(), seconds * 1000);
    try {
      for await (const line of createInterface({ input: child.stdout })) if (pattern.test(line)) return;
      throw new Error(`no line ${String(pattern)} within ${seconds} s:\n${await this.roomLog()}`);
    } finally {
      clearTimeout(late);
      child.kill();
    }
  }

  /** How often the loop has taken backups that are verified since its start. */
  async taken(): Promise<number> {
    return (await this.roomLog()).split("\n").filter((line) => takenLine.test(line)).length;
  }

  /**
   * What the loop has found wrong at its last look, in the sentences of `list`. Reading them starts no program of the room, which
   * would take from it what it needs itself.
   */
  async problems(): Promise<string[]> {
    return (await this.inRoom("cat /run/room/health")).split("\n").slice(1);
  }

  /** Asks the data that a restore has kept, by a server of its own. */
  queryRestored(query: string): Promise<string> {
    const folder = "/backup/restored/data";
    const options = "-c listen_addresses= -c unix_socket_directories=/run/room -c shared_buffers=16MB";
    return this.inRoom(
      `set -e; setpriv --pdeathsig KILL pg_ctl -s -D ${folder} -o "${options}" -l /tmp/log -w start; psql -h /run/room -XqAtU postgres -d omniai -c "${query}"; pg_ctl -s -D ${folder} -m fast stop`,
    );
  }

  list(): Promise<Listing> {
    return this.get<Listing>("list");
  }

  async remove(): Promise<void> {
    if (this.#options.redis) await this.redis.stop();
    await docker("rm", "--force", "--volumes", this.room, this.postgres);
    await docker("volume", "rm", `${this.#name}-backup`, `${this.#name}-secrets`);
    await docker("network", "rm", this.#name);
  }
}

const parseEvents = (stdout: string): RoomEvent[] =>
  stdout
    .split("\n")
    .map(parseEvent)
    .filter((event) => event !== undefined);

const takenLine = /the backup is taken and verified/;

/** The room's first backups, which it takes by itself. @param kinds how many kinds it takes @param seconds how long it may */
export async function untilVerified(world: World, kinds = 2, seconds = 220): Promise<void> {
  await world.untilLogged(takenLine, seconds);
  const { backups, status } = await world.list();
  const verified = backups.filter(({ state }) => state === "verified").length;
  if (verified < kinds || status.running !== null)
    throw new Error(`${verified} of ${kinds} backups are verified: ${JSON.stringify({ backups, status })}`);
}

/** A world whose room has taken its first backups. @param prepare is called before the room is there. */
export async function worldWithBackups(
  prepare: (made: World) => Promise<unknown> = () => Promise.resolve(),
  options?: Parameters<typeof World.create>[1],
): Promise<World> {
  const made = await World.create(await buildImage(), options);
  await prepare(made);
  await made.startRoom();
  await untilVerified(made);
  return made;
}
