/** In which files of a stack its generated passwords stand. */
import { TOKEN_FILE } from "../../../infra/components/tunnel/connector.ts";
import { isMapping } from "../../stack/json.ts";

/** A file of the stack in which a secret stands. */
export interface SecretFile {
  readonly workload: string;
  /** Within the volume of the workload's files. */
  readonly file: string;
  /** The secret in the file's text; undefined where the file has another shape. Default: the whole text. */
  readonly pick?: (text: string) => string | undefined;
}

/** Pure: the password of a line `host:port:database:role:password`, which has no colon of its own. */
const ofPgpass = (text: string): string | undefined =>
  /^[^:]*:[^:]*:[^:]*:[^:]*:([^:\n]+)\n?$/.exec(text)?.[1];

/** Pure: what the token of the tunnel was made from: base64 of JSON, in which the password is in base64 again. */
function ofToken(text: string): string | undefined {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, "base64").toString());
    const secret = isMapping(token) ? token["s"] : undefined;
    return typeof secret === "string" ? Buffer.from(secret, "base64").toString() : undefined;
  } catch {
    return undefined;
  }
}

/** Where each generated password lies, by its name in the program. */
export const passwordFiles = (stack: string): Readonly<Record<string, SecretFile>> => ({
  [`omniai-${stack}-postgres-superuser`]: { workload: "postgres", file: "superuser-password" },
  [`omniai-${stack}-postgres-service`]: { workload: "backend", file: "postgres-password" },
  [`omniai-${stack}-postgres-backup`]: { workload: "backup", file: "pgpass", pick: ofPgpass },
  [`omniai-${stack}-redis-service`]: { workload: "backend", file: "redis-password" },
  [`omniai-${stack}-redis-backup`]: { workload: "backup", file: "redis-password" },
  [`omniai-${stack}-auth-secret`]: { workload: "backend", file: "auth-secret" },
  [`omniai-${stack}-push-key`]: { workload: "backend", file: "push-key" },
  [`omniai-${stack}-push-hook`]: { workload: "backend", file: "push-hook-secret" },
  [`omniai-${stack}-monitoring`]: { workload: "victoria-metrics", file: "password" },
  [`omniai-${stack}-tunnel-secret`]: { workload: "cloudflared", file: TOKEN_FILE, pick: ofToken },
});
