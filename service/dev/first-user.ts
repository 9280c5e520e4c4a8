/** The first user of `npm run dev`, and the secret that signs its tokens. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generatePassword, hashPassword } from "../src/auth/credentials/passwords.ts";
import { SCOPES } from "../src/auth/principal.ts";
import { Users } from "../src/auth/stores/users.ts";
import { createLogger } from "../src/platform/logging.ts";
import { createPool } from "../src/platform/postgres.ts";
import type { Preparation } from "./supervisor.ts";

const NAME = "dev";

/** A user with every scope, made before the first start. Its password is kept in a file that only its owner can read. */
export function firstUser(folder: string): Preparation {
  return async (postgres) => {
    const password = keptOr(join(folder, "first-user"), generatePassword);
    const pool = createPool(
      postgres,
      "omniai-dev-user",
      createLogger({ level: "warn", replica: "dev", build: "dev" }),
    );
    try {
      const users = new Users(pool);
      if (!(await users.findByName(NAME))) await users.add(NAME, await hashPassword(password), SCOPES);
    } finally {
      await pool.end();
    }
    return [`log in as ${NAME} with the password ${password}`];
  };
}

/** The file with the secret that signs tokens. It stays the same, so that a reload logs nobody out. */
export function secretFile(folder: string): string {
  const path = join(folder, "auth-secret");
  keptOr(path, () => generatePassword() + generatePassword());
  return path;
}

function keptOr(path: string, create: () => string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    const value = create();
    writeFileSync(path, value, { mode: 0o600, flag: "wx" });
    return value;
  }
}
