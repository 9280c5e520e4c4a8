/** A Redis of a test's own, as the stack runs it. */
import { spawn } from "node:child_process";
import { REDIS_USER } from "../../../infra/components/cache/redis.ts";
import { defaults } from "../../../infra/test/defaults.ts";
import { eventually } from "../http.ts";
import { docker, PASSWORD, REDIS } from "./engine.ts";

export class RedisServer {
  readonly #world: string;
  readonly #name: string;

  /** @param world the name of the network, which the volumes' names begin with. */
  constructor(world: string) {
    this.#world = world;
    this.#name = `${world}-redis`;
  }

  /** As the stack runs it. @param data a folder in the backup volume to start from; default: new and empty */
  async start(data?: string): Promise<void> {
    const from = data === undefined ? [] : ["-v", `${this.#world}-backup:/backup`];
    const command = [
      "redis-server",
      "/run/secrets/redis.conf",
      ...(data === undefined ? [] : ["--dir", data]),
    ];
    await docker(
      ...["run", "-d", "--name", this.#name, "--network", this.#world, "--network-alias", "redis"],
      ...["--user", "999:999", "--memory", `${Number(defaults["redisMemory"])}m`, ...from],
      ...[
        "-v",
        `${this.#world}-secrets:/run/secrets:ro`,
        "--entrypoint",
        "docker-entrypoint.sh",
        REDIS,
        ...command,
      ],
    );
    await eventually("Redis", 60, async () => (await this.ask("PING")) === "PONG");
  }

  async stop(): Promise<void> {
    await docker("rm", "--force", "--volumes", this.#name);
  }

  /** Asks Redis as the service. @returns its lines */
  ask(...command: string[]): Promise<string> {
    const login = ["--user", REDIS_USER, "--pass", PASSWORD, "--no-auth-warning"];
    return docker("exec", this.#name, "redis-cli", ...login, ...command);
  }

  /** Gives Redis many commands at once, as the service's user. @throws Error with the first answer that is an error */
  async script(commands: readonly string[]): Promise<void> {
    const login = ["--user", REDIS_USER, "--pass", PASSWORD, "--no-auth-warning"];
    const child = spawn("docker", ["exec", "-i", this.#name, "redis-cli", "-e", ...login], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => void (said += text));
    child.stdin.end(`${commands.join("\n")}\n`);
    await new Promise((resolve) => child.once("close", resolve));
    const wrong = /^(ERR|NOPERM|WRONG|OOM|Invalid).*$/m.exec(said);
    if (wrong) throw new Error(`Redis: ${wrong[0]}`);
  }

  /** Stops it as an engine does, and starts it again. */
  async restart(): Promise<void> {
    await docker("restart", this.#name);
    await eventually("Redis", 60, async () => (await this.ask("PING")) === "PONG");
  }
}
