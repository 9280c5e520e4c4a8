/** The migrations that this build knows, and which of them a database lacks. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One file of service/migrations. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text with LF as line ends, so that a checkout on Windows is no change. */
  readonly checksum: string;
}

export class MigrationError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "MigrationError";
  }
}

/** It is beside src/ and dist/, so the path is the same from both. */
export const MIGRATIONS_FOLDER = join(import.meta.dirname, "../../migrations");

/** The migrations that this build knows, in order. @throws MigrationError for a wrong name or number. */
export function loadMigrations(folder: string = MIGRATIONS_FOLDER): readonly Migration[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith(".sql"))
    .sort();
  return files.map((file, index) => {
    const [, digits, name] = /^(\d{4})_([a-z0-9_]+)\.sql$/.exec(file) ?? [];
    if (!digits || !name)
      throw new MigrationError(`${file}: a migration is named NNNN_name.sql, in lower case`);
    const version = Number(digits);
    // Without gaps, no later build can bring a migration that belongs before an applied one.
    if (version !== index + 1) {
      throw new MigrationError(`${file}: the next number is ${String(index + 1).padStart(4, "0")}`);
    }
    const sql = readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n");
    return { version, name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
  });
}

/** One row of schema_migrations. */
export interface Applied {
  readonly version: number;
  readonly checksum: string;
}

/**
 * The migrations that a database lacks, in order. It may have newer ones of a newer build.
 * @throws MigrationError when one was changed after it was applied, or one before an applied one is missing.
 */
export function pendingOf(known: readonly Migration[], applied: readonly Applied[]): readonly Migration[] {
  const checksums = new Map(applied.map(({ version, checksum }) => [version, checksum]));
  const pending: Migration[] = [];
  for (const migration of known) {
    const checksum = checksums.get(migration.version);
    if (checksum === undefined) pending.push(migration);
    else if (checksum !== migration.checksum) {
      throw new MigrationError(
        `migration ${labelOf(migration)} was changed after it was applied here: restore the file and write a new one`,
      );
    } else if (pending[0]) {
      throw new MigrationError(
        `migration ${labelOf(pending[0])} is missing before ${labelOf(migration)}, which is applied: repair schema_migrations by hand`,
      );
    }
  }
  const last = Math.max(0, ...applied.map(({ version }) => version));
  if (pending[0] && last > pending[0].version) {
    throw new MigrationError(
      `migration ${labelOf(pending[0])} is missing although ${last} is applied: repair schema_migrations by hand`,
    );
  }
  return pending;
}

export function labelOf({ version, name }: Pick<Migration, "version" | "name">): string {
  return `${String(version).padStart(4, "0")}_${name}`;
}
