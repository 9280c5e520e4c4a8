import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { z } from "zod";
import { readAuthConfig, type AuthConfig } from "./auth/config.ts";
import type { ProviderConfig } from "./providers/monitor.ts";

/**
 * Everything the process may be told from outside, read and checked once at the start.
 *
 * A variable that is absent or empty takes its default. A wrong one stops the start with a message that names the
 * variable, its value and what is allowed, so that nobody has to read this file to repair an environment.
 * Secrets come as files (never as variables: those show up in `docker inspect` and in crash reports).
 */
export interface Config {
  /** Address both listeners bind. */
  readonly host: string;
  /** Public port; 0 lets the system choose (tests). */
  readonly port: number;
  /** Internal port: health with its details, later metrics and administration. */
  readonly internalPort: number;
  /** Name of this replica: the host name, which the engine sets to the container's. */
  readonly replica: string;
  /** Content hash of the image; "dev" outside of one. */
  readonly build: string;
  /** The sources' commit; undefined where it is not known. */
  readonly commit: string | undefined;
  readonly stack: string;
  readonly logLevel: string;
  readonly version: string;
  /** Exact origins (scheme://host[:port]) that browsers may call from. */
  readonly corsOrigins: readonly string[];
  /** Longest request body, bytes. */
  readonly bodyLimitBytes: number;
  readonly postgres: PostgresConfig;
  readonly redis: RedisConfig;
  readonly events: EventsConfig;
  readonly auth: AuthConfig;
  readonly health: HealthConfig;
  readonly reports: ReportsConfig;
  /** AI providers whose reachability the diagnostics show. */
  readonly providers: readonly ProviderConfig[];
  readonly lifecycle: LifecycleConfig;
}

export interface PostgresConfig {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: string | undefined;
  /** Most connections this process opens. */
  readonly poolMax: number;
}

export interface RedisConfig {
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface EventsConfig {
  /** Events kept in the log; Redis trims whole nodes, so up to some hundred more. */
  readonly retention: number;
  /** Longest an append may take until it is on disk, ms; after it the publisher gets 503. */
  readonly appendDeadlineMs: number;
  /** Appends that may wait at once; further ones get 503 at once. */
  readonly maxPendingAppends: number;
  /** Longest `data` of one event as JSON, bytes. */
  readonly maxEventBytes: number;
  /** How long one blocking read of the log waits, ms: also how soon a flushed log is noticed. */
  readonly readBlockMs: number;
  /** Least time between two fan-outs, ms: events in between share one write per client. */
  readonly coalesceMs: number;
  /** Newest events kept in memory for resuming clients: count and bytes. */
  readonly replayCacheEvents: number;
  readonly replayCacheBytes: number;
  /** Open streams of this process. */
  readonly maxStreams: number;
  /** Open streams of one address (IPv6: of one /56). */
  readonly maxStreamsPerAddress: number;
  /** New streams a second of this process, over time and at once. */
  readonly connectRate: number;
  readonly connectBurst: number;
  /** Proxies in front that append to X-Forwarded-For: 1 behind the edge; 0 takes the socket's address. */
  readonly trustProxyHops: number;
  readonly heartbeatMs: number;
  /** A stream is ended after a random 0.8 to 1.0 of this, ms. */
  readonly maxAgeMs: number;
  /** A client with more than this waiting for it, bytes, is dropped. */
  readonly bufferBytes: number;
  /** A client that takes nothing for this long, ms, is dropped. */
  readonly stallMs: number;
}

export interface HealthConfig {
  /** Longest one check may take, ms. */
  readonly deadlineMs: number;
  /** Checks repeat after a random 0.5 to 1.5 of this, ms. */
  readonly intervalMs: number;
  /** A replica whose clients are more entries than this behind the log is not ready. */
  readonly maxLagEntries: number;
  /** Checks that only warn when they fail. */
  readonly optional: readonly string[];
}

export interface ReportsConfig {
  /** Reports a minute that this process takes, from all pages together. */
  readonly perMinute: number;
  /** Most reports kept, by all replicas together; older ones are removed. */
  readonly maxRows: number;
  /** They are removed after this many days at the latest. */
  readonly keepDays: number;
  /** Old ones are removed after a random 0.5 to 1.5 of this, ms. */
  readonly cleanupMs: number;
}

export interface LifecycleConfig {
  /** How long the process has waited before it loaded anything, ms. main.ts reads it by itself; here it is only checked. */
  readonly startDelayMs: number;
  /** Serving on after SIGTERM, ms: longer than the edge needs to switch to the successors. */
  readonly switchMs: number;
  /** The streams' farewell is spread over this, ms. */
  readonly drainMs: number;
  /** What may still take after both before the process is ended the hard way, ms. */
  readonly marginMs: number;
  /** An event loop blocked for this long, ms, ends the process; 0 turns the watchdog off. */
  readonly wedgedMs: number;
}

export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration is wrong:\n${problems.map((problem) => `- ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Collects every problem, so that one run shows them all. */
export class Reader {
  readonly problems: string[] = [];
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  #read<T>(name: string, fallback: T, schema: z.ZodType<T>, allowed: string): T {
    const value = this.#environment[name];
    if (value === undefined || value === "") return fallback;
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    this.problems.push(`${name}: ${JSON.stringify(value)} is not allowed; allowed is ${allowed}`);
    return fallback;
  }

  number(name: string, fallback: number, min: number, max: number): number {
    const schema = z
      .string()
      .regex(/^\d+(\.\d+)?$/)
      .transform(Number)
      .pipe(z.number().min(min).max(max));
    return this.#read(name, fallback, schema, `a number from ${min} to ${max}`);
  }

  whole(name: string, fallback: number, min: number, max: number): number {
    const schema = z.string().regex(/^\d+$/).transform(Number).pipe(z.number().int().min(min).max(max));
    const allowed = `a whole number from ${min} to ${max}`;
    return this.#read(name, fallback, schema, allowed);
  }

  /** A number of seconds, returned as ms. */
  seconds(name: string, fallback: number, min: number, max: number): number {
    return Math.round(this.number(name, fallback, min, max) * 1000);
  }

  text(name: string, fallback: string, pattern: RegExp, allowed: string): string {
    return this.#read(name, fallback, z.string().regex(pattern), allowed);
  }

  optionalText(name: string, pattern: RegExp, allowed: string): string | undefined {
    return this.text(name, "", pattern, allowed) || undefined;
  }

  choice<T extends string>(name: string, fallback: T, choices: readonly T[]): T {
    return this.#read<T>(name, fallback, z.enum(choices), `one of ${choices.join(", ")}`);
  }

  list(name: string, isValid: (item: string) => boolean, allowed: string): readonly string[] {
    const split = (value: string): string[] =>
      value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
    const schema = z
      .string()
      .transform(split)
      .refine((items) => items.every(isValid));
    return this.#read(name, [], schema, allowed);
  }

  /** A secret's file, its last line end removed. Only its path and the system's error code are ever shown. */
  secret(name: string): string | undefined {
    const path = this.#environment[name];
    return path === undefined || path === "" ? undefined : this.#secretFile(name, path);
  }

  #secretFile(name: string, path: string): string | undefined {
    try {
      const secret = readFileSync(path, "utf8").replace(/\r?\n$/, "");
      if (secret !== "") return secret;
      this.problems.push(
        `${name}: the file ${path} is empty; allowed is a readable file that holds the password`,
      );
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
      this.problems.push(
        `${name}: ${path} cannot be read (${code}); allowed is a readable file that holds the password`,
      );
    }
    return undefined;
  }

  /** A JSON list. Its value is not shown: somebody may have put a key into it. */
  providers(name: string): readonly ProviderConfig[] {
    const value = this.#environment[name];
    if (value === undefined || value === "") return [];
    let parsed: z.ZodSafeParseResult<z.output<typeof providersSchema>> | undefined;
    try {
      parsed = providersSchema.safeParse(JSON.parse(value));
    } catch {
      // Not JSON: said below.
    }
    if (!parsed?.success) {
      const where = parsed?.error.issues[0];
      const detail = where ? ` (at ${where.path.join(".") || "the top"}: ${where.message})` : "";
      this.problems.push(
        `${name}: the value (not shown) is not allowed${detail}; allowed is a JSON list of at most 20 ` +
          `{"name", "baseUrl": "https://…", "apiKeyFile": "/path"}, names unique, apiKeyFile optional`,
      );
      return [];
    }
    return parsed.data.map(({ name: provider, baseUrl, apiKeyFile }) => ({
      name: provider,
      baseUrl: baseUrl.replace(/\/{1,16}$/, ""),
      apiKey: apiKeyFile === undefined ? undefined : this.#secretFile(name, apiKeyFile),
    }));
  }

  redisUrl(name: string, fallback: string): string {
    const isValid = (value: string): boolean => {
      if (!URL.canParse(value)) return false;
      const url = new URL(value);
      return ["redis:", "rediss:"].includes(url.protocol) && url.password === "" && url.hostname !== "";
    };
    const value = this.#environment[name] ?? "";
    if (value === "" || isValid(value)) return value === "" ? fallback : value;
    // The value is not shown: whoever put a password into it did not mean to see it in a log.
    this.problems.push(
      `${name}: the value (not shown) is not allowed; allowed is redis://host:port without a password`,
    );
    return fallback;
  }
}

/** True for scheme://host[:port] and nothing behind it, as browsers send it (RFC 6454 6.1). */
export function isOrigin(value: string): boolean {
  return /^https?:\/\/[\w.:[\]-]+$/.test(value) && URL.canParse(value) && new URL(value).origin === value;
}

/** http or https, and nothing that is a secret or would end up behind /models. */
function isBaseUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return ["http:", "https:"].includes(protocol) && username + password + search + hash === "";
}

const providersSchema = z
  .array(
    z.strictObject({
      name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
      baseUrl: z
        .string()
        .refine(isBaseUrl, "an http or https URL without user, password, query and fragment"),
      apiKeyFile: z.string().min(1).optional(),
    }),
  )
  .max(20)
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, "names are unique");

const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")));

/** Reads the environment. @throws ConfigError with every problem found. */
export function loadConfig(environment: Environment): Config {
  const read = new Reader(environment);
  const name = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
  const nameAllowed = "letters, digits, dot, underscore, colon and hyphen, at most 128";
  const config: Config = {
    host: read.text("OMNIAI_HOST", "127.0.0.1", /^[0-9A-Za-z.:-]+$/, "an address to listen on"),
    port: read.whole("OMNIAI_PORT", 8000, 0, 65_535),
    internalPort: read.whole("OMNIAI_INTERNAL_PORT", 9000, 0, 65_535),
    replica: hostname(),
    build: read.text("OMNIAI_BUILD", "dev", name, nameAllowed),
    commit: read.optionalText("OMNIAI_COMMIT", /^[0-9a-f]{7,64}$/, "7 to 64 hexadecimal digits"),
    stack: read.text("OMNIAI_STACK", "dev", name, nameAllowed),
    logLevel: read.choice("OMNIAI_LOG_LEVEL", "info", [
      "fatal",
      "error",
      "warn",
      "info",
      "debug",
      "trace",
      "silent",
    ]),
    version,
    corsOrigins: read.list(
      "OMNIAI_CORS_ORIGINS",
      isOrigin,
      "exact origins such as https://someone.github.io, without a path, separated by commas",
    ),
    bodyLimitBytes: read.whole("OMNIAI_BODY_LIMIT_BYTES", 65_536, 1024, 10_485_760),
    postgres: {
      host: read.text("PGHOST", "127.0.0.1", /^\S+$/, "a host name or address"),
      port: read.whole("PGPORT", 5432, 1, 65_535),
      user: read.text("PGUSER", "omniai", /^\S+$/, "a role name"),
      database: read.text("PGDATABASE", "omniai", /^\S+$/, "a database name"),
      password: read.secret("OMNIAI_POSTGRES_PASSWORD_FILE"),
      poolMax: read.whole("OMNIAI_POSTGRES_POOL_MAX", 10, 2, 200),
    },
    redis: {
      url: read.redisUrl("OMNIAI_REDIS_URL", "redis://127.0.0.1:6379"),
      username: read.optionalText("OMNIAI_REDIS_USERNAME", /^\S+$/, "an ACL user name without spaces"),
      password: read.secret("OMNIAI_REDIS_PASSWORD_FILE"),
    },
    events: {
      retention: read.whole("OMNIAI_EVENT_RETENTION", 100_000, 100, 100_000_000),
      appendDeadlineMs: read.seconds("OMNIAI_APPEND_DEADLINE_SECONDS", 1.8, 0.1, 30),
      maxPendingAppends: read.whole("OMNIAI_MAX_PENDING_APPENDS", 1000, 1, 100_000),
      maxEventBytes: read.whole("OMNIAI_EVENT_MAX_BYTES", 32_768, 64, 1_048_576),
      readBlockMs: read.seconds("OMNIAI_READ_BLOCK_SECONDS", 2, 0.1, 30),
      coalesceMs: read.whole("OMNIAI_COALESCE_MS", 5, 0, 1000),
      replayCacheEvents: read.whole("OMNIAI_REPLAY_CACHE_EVENTS", 2048, 0, 1_000_000),
      replayCacheBytes: read.whole("OMNIAI_REPLAY_CACHE_BYTES", 4_194_304, 0, 1_073_741_824),
      maxStreams: read.whole("OMNIAI_MAX_STREAMS", 2500, 1, 1_000_000),
      maxStreamsPerAddress: read.whole("OMNIAI_MAX_STREAMS_PER_ADDRESS", 500, 1, 1_000_000),
      connectRate: read.number("OMNIAI_STREAM_CONNECT_RATE", 500, 0.1, 1_000_000),
      connectBurst: read.whole("OMNIAI_STREAM_CONNECT_BURST", 2500, 1, 1_000_000),
      trustProxyHops: read.whole("OMNIAI_TRUST_PROXY_HOPS", 0, 0, 5),
      heartbeatMs: read.seconds("OMNIAI_HEARTBEAT_SECONDS", 15, 0.1, 60),
      maxAgeMs: read.seconds("OMNIAI_STREAM_MAX_AGE_SECONDS", 600, 1, 86_400),
      bufferBytes: read.whole("OMNIAI_STREAM_BUFFER_BYTES", 262_144, 4096, 16_777_216),
      stallMs: read.seconds("OMNIAI_STREAM_STALL_SECONDS", 20, 0.1, 600),
    },
    auth: readAuthConfig(read),
    health: {
      deadlineMs: read.seconds("OMNIAI_CHECK_DEADLINE_SECONDS", 1, 0.05, 1),
      intervalMs: read.seconds("OMNIAI_CHECK_INTERVAL_SECONDS", 2, 0.1, 3.3),
      maxLagEntries: read.whole("OMNIAI_MAX_READER_LAG", 10_000, 1, 100_000_000),
      optional: read.list(
        "OMNIAI_OPTIONAL_CHECKS",
        (item) => ["database", "migrations", "redis", "events"].includes(item),
        "any of database, migrations, redis, events, separated by commas",
      ),
    },
    reports: {
      perMinute: read.whole("OMNIAI_CLIENT_REPORTS_PER_MINUTE", 600, 1, 1_000_000),
      maxRows: read.whole("OMNIAI_CLIENT_REPORTS_MAX", 50_000, 1, 10_000_000),
      keepDays: read.whole("OMNIAI_CLIENT_REPORTS_DAYS", 7, 1, 365),
      cleanupMs: read.seconds("OMNIAI_CLIENT_REPORTS_CLEANUP_SECONDS", 600, 0.1, 86_400),
    },
    providers: read.providers("OMNIAI_PROVIDERS"),
    lifecycle: {
      startDelayMs: read.seconds("OMNIAI_START_DELAY_SECONDS", 0, 0, 30),
      switchMs: read.seconds("OMNIAI_SWITCH_SECONDS", 6, 0, 600),
      drainMs: read.seconds("OMNIAI_DRAIN_SECONDS", 5, 0, 600),
      marginMs: read.seconds("OMNIAI_STOP_MARGIN_SECONDS", 5, 1, 120),
      wedgedMs: read.seconds("OMNIAI_WEDGED_SECONDS", 10, 0, 600),
    },
  };
  if (config.port !== 0 && config.port === config.internalPort) {
    read.problems.push(
      `OMNIAI_INTERNAL_PORT: "${config.internalPort}" is not allowed; allowed is a port other than OMNIAI_PORT's`,
    );
  }
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return config;
}
