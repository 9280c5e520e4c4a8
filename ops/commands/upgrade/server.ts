/** The stack's PostgreSQL while it is upgraded: its version, its size, and that nobody writes to it. */
import type Docker from "dockerode";
import { execIn } from "../../engine/exec.ts";
import { OpsError } from "../../terminal/errors.ts";
import type { Disk } from "./target.ts";

/** A running server, by its container. */
export class Server {
  readonly #docker: Docker;
  readonly id: string;

  constructor(docker: Docker, id: string) {
    this.#docker = docker;
    this.id = id;
  }

  /** @returns what a statement says, without headings. @throws OpsError */
  async sql(...statements: string[]): Promise<string> {
    const commands = statements.flatMap((one) => ["-c", one]);
    return this.#run(["psql", "-XqAtU", "postgres", "-d", "postgres", "-v", "ON_ERROR_STOP=1", ...commands]);
  }

  async #run(command: readonly string[]): Promise<string> {
    const { exitCode, output } = await execIn(this.#docker, this.id, command);
    if (exitCode === 0) return output.trim();
    throw new OpsError(
      `PostgreSQL does not do what the upgrade asks: ${output.trim()}`,
      "See how it is: npm run health, npm run logs -- postgres.",
    );
  }

  async major(): Promise<number> {
    return Math.floor(Number(await this.sql("SHOW server_version_num")) / 10_000);
  }

  /** The data's size in bytes, and the disk that it is on. */
  async space(): Promise<{ readonly size: number; readonly disk: Disk }> {
    const script = 'du -sk "$PGDATA" 2>/dev/null | cut -f 1; df -Pk "$PGDATA" | tail -n 1';
    const [size = "", line = ""] = (await this.#run(["sh", "-c", script])).split("\n");
    return { size: Number(size) * 1024, disk: parseDisk(line) };
  }

  /** Settings that were made by ALTER SYSTEM: a dump does not have them. Those of the stack itself come again by its commands. */
  async ownSettings(): Promise<string[]> {
    const found = await this.sql(
      "SELECT name || ' = ' || setting FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf' AND name <> 'synchronous_standby_names' ORDER BY 1",
    );
    return found.split("\n").filter((line) => line !== "");
  }

  /**
   * From now on every transaction is refused writes, and none that began before goes on: all clients but the backup room
   * are disconnected and come back. It holds over a restart of the server.
   */
  async freeze(): Promise<void> {
    await this.sql("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()");
    // A connection has what the server knew when it began, so the first one that has it shows that all later ones do.
    for (let n = 0; (await this.sql("SHOW default_transaction_read_only")) !== "on"; n += 1) {
      if (n > 100) throw new OpsError("PostgreSQL does not read its settings again.", "Run this again.");
    }
    await this.sql(
      `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
       WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename IS DISTINCT FROM 'omniai_backup'`,
    );
  }

  /** Whether `freeze`, of whichever run, stands. */
  async isFrozen(): Promise<boolean> {
    const query =
      "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf' AND name = 'default_transaction_read_only' AND setting = 'on'";
    return (await this.sql(query)) !== "0";
  }

  /** Takes it back: at once, or from its next start on. */
  async thaw(when: "now" | "next start"): Promise<void> {
    const reload = when === "now" ? ["SELECT pg_reload_conf()"] : [];
    await this.sql("ALTER SYSTEM RESET default_transaction_read_only", ...reload);
  }
}

/** Pure: a line of `df -Pk`. */
export function parseDisk(line: string): Disk {
  const [name = "", blocks = "", , free = ""] = line.trim().split(/\s+/);
  return { name: `${name} (${Math.round(Number(blocks) / 1024)} MiB)`, free: Number(free) * 1024 };
}
