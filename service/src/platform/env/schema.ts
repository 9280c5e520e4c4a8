/**
 * Everything the process may be told from outside: one zod schema, in groups, where each value names the variable that
 * it is read from. Secrets come as files, never as variables, because those show up in `docker inspect` and in crash
 * reports.
 */
import { z } from "zod";
import {
  certificatesFile,
  choice,
  decimalNumber,
  list,
  optionalText,
  readSecret,
  refuse,
  seconds,
  secretFile,
  sentence,
  text,
  variables,
  whole,
} from "./variables.ts";
import { vapidKeys } from "./vapid-keys.ts";
import { MAX_START_DELAY_SECONDS, START_DELAY_NAME } from "./start-delay.ts";

export const AUTH_MODES = ["none", "session", "token", "both"] as const;
export type AuthMode = (typeof AUTH_MODES)[number];

const PAGE_SITES = ["same-site", "cross-site"] as const;
const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
const CHECKS = ["database", "migrations", "redis", "events"];

/** 32 characters of a generated password are beyond guessing; fewer may be a word that somebody made up. */
const MIN_SECRET_LENGTH = 32;

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const NAME_ALLOWED = "letters, digits, dot, underscore, colon and hyphen, at most 128";

/** True for scheme://host[:port] and nothing behind it, as browsers send it (RFC 6454 6.1). */
export function isOrigin(value: string): boolean {
  return /^https?:\/\/[\w.:[\]-]+$/.test(value) && URL.canParse(value) && new URL(value).origin === value;
}

/** Without a password: whoever put one there did not mean to see it in a log. */
function isRedisUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return ["redis:", "rediss:"].includes(url.protocol) && url.password === "" && url.hostname !== "";
}

/** http or https, and nothing that is a secret or would end up behind /models. */
function isBaseUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return ["http:", "https:"].includes(protocol) && username + password + search + hash === "";
}

const postgres = z.object({
  host: text("PGHOST", "127.0.0.1", /^\S+$/, "a host name or address"),
  port: whole("PGPORT", 5432, 1, 65_535),
  user: text("PGUSER", "omniai", /^\S+$/, "a role name"),
  database: text("PGDATABASE", "omniai", /^\S+$/, "a database name"),
  password: secretFile("OMNIAI_POSTGRES_PASSWORD_FILE"),
  /** verify-full: TLS, with the certificate's authority and name checked; disable: a server on a network of its own. */
  sslMode: choice("PGSSLMODE", "disable", ["disable", "verify-full"]),
  /** The authorities that alone are trusted; undefined: those that Node comes with. */
  authority: certificatesFile("PGSSLROOTCERT"),
  /** The most connections that this process opens. */
  poolMax: whole("OMNIAI_POSTGRES_POOL_MAX", 10, 2, 200),
});

const redis = z.object({
  url: z.string().refine(isRedisUrl).default("redis://127.0.0.1:6379").register(variables, {
    name: "OMNIAI_REDIS_URL",
    allowed: "redis://host:port, or rediss://host:port for TLS, without a password",
    isHidden: true,
  }),
  username: optionalText("OMNIAI_REDIS_USERNAME", /^\S+$/, "an ACL user name without spaces"),
  password: secretFile("OMNIAI_REDIS_PASSWORD_FILE"),
  /** The authorities that alone are trusted with rediss; undefined: those that Node comes with. */
  authority: certificatesFile("OMNIAI_REDIS_AUTHORITY_FILE"),
});

const events = z.object({
  /** Events kept in the log; Redis trims whole nodes, so up to some hundred more. */
  retention: whole("OMNIAI_EVENT_RETENTION", 100_000, 100, 100_000_000),
  /** What the events kept may take, in bytes: the oldest go when it is used up, however few they are. */
  logBytes: whole("OMNIAI_EVENT_LOG_BYTES", 33_554_432, 1_048_576, 1_099_511_627_776),
  /** The longest that an append may take until it is on disk, in ms; after it the publisher gets 503. */
  appendDeadlineMs: seconds("OMNIAI_APPEND_DEADLINE_SECONDS", 1.8, 0.1, 30),
  /** Appends that may wait at once; further ones get 503 at once. */
  maxPendingAppends: whole("OMNIAI_MAX_PENDING_APPENDS", 1000, 1, 100_000),
  /** What those may take in memory, in bytes; further ones get 503 at once. The least is more than the longest event takes. */
  appendBytes: whole("OMNIAI_APPEND_BYTES", 8_388_608, 4_194_304, 1_073_741_824),
  /** The longest `data` of one event as JSON, in bytes. */
  maxEventBytes: whole("OMNIAI_EVENT_MAX_BYTES", 32_768, 64, 1_048_576),
  /** How long one blocking read of the log waits, in ms: also how soon a flushed log is noticed. */
  readBlockMs: seconds("OMNIAI_READ_BLOCK_SECONDS", 2, 0.1, 30),
  /** The least time between two fan-outs, in ms: events in between share one write per client. */
  coalesceMs: whole("OMNIAI_COALESCE_MS", 5, 0, 1000),
  /** The newest events kept in memory for resuming clients: how many, and how many bytes. */
  replayCacheEvents: whole("OMNIAI_REPLAY_CACHE_EVENTS", 2048, 0, 1_000_000),
  replayCacheBytes: whole("OMNIAI_REPLAY_CACHE_BYTES", 4_194_304, 0, 1_073_741_824),
  /** Open streams of this process. */
  maxStreams: whole("OMNIAI_MAX_STREAMS", 2500, 1, 1_000_000),
  /** Open streams of one address (IPv6: of one /56). */
  maxStreamsPerAddress: whole("OMNIAI_MAX_STREAMS_PER_ADDRESS", 500, 1, 1_000_000),
  /** New streams a second of this process, over time and at once. One address gets half of them. */
  connectRate: decimalNumber("OMNIAI_STREAM_CONNECT_RATE", 500, 0.1, 1_000_000),
  connectBurst: whole("OMNIAI_STREAM_CONNECT_BURST", 2500, 1, 1_000_000),
  /** Proxies in front that append to X-Forwarded-For: 1 behind the edge; 0 takes the socket's address. */
  trustProxyHops: whole("OMNIAI_TRUST_PROXY_HOPS", 0, 0, 5),
  heartbeatMs: seconds("OMNIAI_HEARTBEAT_SECONDS", 15, 0.1, 60),
  /** A stream is ended after a random 0.8 to 1.0 of this, in ms. */
  maxAgeMs: seconds("OMNIAI_STREAM_MAX_AGE_SECONDS", 600, 1, 86_400),
  /** What clients that do not keep up may hold, in bytes, all together: beyond it the slowest are dropped. */
  backlogBytes: whole("OMNIAI_STREAM_BACKLOG_BYTES", 8_388_608, 1_048_576, 1_073_741_824),
  /** What answers to polls that are under way may take, in bytes: half of it for one address. */
  pollBytes: whole("OMNIAI_POLL_BYTES", 8_388_608, 8_388_608, 1_073_741_824),
  /** A client that takes nothing for this long, in ms, is dropped. */
  stallMs: seconds("OMNIAI_STREAM_STALL_SECONDS", 20, 0.1, 600),
});

/** Each limit counts over a window of its own, for all replicas together; 0 turns one off. */
const limits = z.object({
  /** Requests of one address a minute; streams have limits of their own. */
  requestsPerMinute: whole("OMNIAI_LIMIT_REQUESTS_PER_MINUTE", 30_000, 0, 10_000_000),
  /** Wrong passwords in `loginWindowSeconds` from one address, and for one user name from one address. */
  loginsPerAddress: whole("OMNIAI_LIMIT_LOGINS_PER_ADDRESS", 100, 0, 1_000_000),
  loginsPerUser: whole("OMNIAI_LIMIT_LOGINS_PER_USER", 10, 0, 1_000_000),
  loginWindowSeconds: whole("OMNIAI_LIMIT_LOGIN_WINDOW_SECONDS", 900, 1, 86_400),
  /** Right logins of one user a minute. */
  rightLoginsPerMinute: whole("OMNIAI_LIMIT_RIGHT_LOGINS_PER_MINUTE", 60, 0, 1_000_000),
  /** API tokens that do not exist, of one address at one replica, a minute. */
  badTokensPerMinute: whole("OMNIAI_LIMIT_BAD_TOKENS_PER_MINUTE", 120, 0, 1_000_000),
  /** Refreshes of one address a minute. */
  refreshesPerMinute: whole("OMNIAI_LIMIT_REFRESHES_PER_MINUTE", 600, 0, 1_000_000),
});

const audit = z.object({
  days: whole("OMNIAI_AUDIT_DAYS", 90, 1, 3650),
  /** The most rows kept, whatever their age. */
  maxRows: whole("OMNIAI_AUDIT_MAX_ROWS", 1_000_000, 100, 100_000_000),
  /** Old rows and ended tokens are removed after a random 0.5 to 1.5 of this, in ms. */
  cleanupMs: seconds("OMNIAI_AUDIT_CLEANUP_SECONDS", 600, 0.1, 86_400),
});

const auth = z
  .object({
    /** none: everything is open; session: cookies; token: bearer tokens; both. */
    mode: choice("OMNIAI_AUTH_MODE", "none", AUTH_MODES),
    /** What signs access tokens and CSRF tokens; the same on all replicas. Undefined in mode none only. */
    secret: secretFile("OMNIAI_AUTH_SECRET_FILE"),
    /** Where the page lives as the API sees it: decides SameSite of the cookie. */
    pageSite: choice("OMNIAI_PAGE_SITE", "cross-site", PAGE_SITES),
    /** A session that nobody used for this long, in ms, ends. */
    sessionIdleMs: seconds("OMNIAI_SESSION_IDLE_SECONDS", 3600, 1, 30 * 86_400),
    /** A session ends after this, in ms, however much it is used. */
    sessionMaxMs: seconds("OMNIAI_SESSION_MAX_SECONDS", 12 * 3600, 1, 90 * 86_400),
    accessTokenMs: seconds("OMNIAI_ACCESS_SECONDS", 600, 1, 3600),
    /** A family of refresh tokens ends after this, in ms, however often it is refreshed. */
    refreshTokenMs: seconds("OMNIAI_REFRESH_SECONDS", 30 * 86_400, 1, 365 * 86_400),
    /** Open streams of one user on this process. */
    maxStreamsPerUser: whole("OMNIAI_MAX_STREAMS_PER_USER", 50, 1, 1_000_000),
    /** Credentials of open streams are checked again after a random 0.5 to 1.5 of this, in ms. */
    sweepMs: seconds("OMNIAI_AUTH_SWEEP_SECONDS", 30, 0.1, 600),
    limits,
    audit,
  })
  .superRefine(({ mode, secret, sessionIdleMs, sessionMaxMs }, context) => {
    if (mode !== "none" && (secret?.length ?? 0) < MIN_SECRET_LENGTH) {
      refuse(
        context,
        `the secret (not shown) is missing or too short; with OMNIAI_AUTH_MODE "${mode}" ` +
          `allowed is a readable file with at least ${MIN_SECRET_LENGTH} characters`,
        ["secret"],
      );
    }
    if (sessionIdleMs > sessionMaxMs) {
      const allowed = "allowed is at most OMNIAI_SESSION_MAX_SECONDS";
      refuse(context, `${sessionIdleMs / 1000} is not allowed; ${allowed}`, ["sessionIdleMs"]);
    }
  });

const health = z.object({
  /** The longest that one check may take, in ms. */
  deadlineMs: seconds("OMNIAI_CHECK_DEADLINE_SECONDS", 1, 0.05, 1),
  /** Checks repeat after a random 0.5 to 1.5 of this, in ms. */
  intervalMs: seconds("OMNIAI_CHECK_INTERVAL_SECONDS", 2, 0.1, 3.3),
  /** A replica whose clients are more entries than this behind the log is not ready. */
  maxLagEntries: whole("OMNIAI_MAX_READER_LAG", 10_000, 1, 100_000_000),
  /** Checks that only warn when they fail. */
  optional: list(
    "OMNIAI_OPTIONAL_CHECKS",
    (item) => CHECKS.includes(item),
    `any of ${CHECKS.join(", ")}, separated by commas`,
  ),
});

const reports = z.object({
  /** Reports a minute that this process takes, from all pages together. */
  perMinute: whole("OMNIAI_CLIENT_REPORTS_PER_MINUTE", 600, 1, 1_000_000),
  /** The most reports kept, by all replicas together; older ones are removed. */
  maxRows: whole("OMNIAI_CLIENT_REPORTS_MAX", 50_000, 1, 10_000_000),
  /** They are removed after this many days at the latest. */
  keepDays: whole("OMNIAI_CLIENT_REPORTS_DAYS", 7, 1, 365),
  /** Old ones are removed after a random 0.5 to 1.5 of this, in ms. */
  cleanupMs: seconds("OMNIAI_CLIENT_REPORTS_CLEANUP_SECONDS", 600, 0.1, 86_400),
});

const provider = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  /** As the provider's makers give it, with /v1 if it has one; kept without a slash at the end. */
  baseUrl: z
    .string()
    .refine(isBaseUrl, "an http or https URL without user, password, query and fragment")
    .transform((url) => url.replace(/\/{1,16}$/, "")),
  apiKeyFile: z.string().min(1).optional(),
});

/** AI providers whose reachability the diagnostics show. Their keys come as files. */
const providers = z
  .string()
  .transform((value, context): unknown => {
    try {
      return JSON.parse(value);
    } catch {
      context.addIssue({ code: "custom", message: "not JSON" });
      return z.NEVER;
    }
  })
  .pipe(
    z
      .array(provider)
      .max(20)
      .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "names are unique")
      .transform((all, context) =>
        all.map(({ name, baseUrl, apiKeyFile }) => ({
          name,
          baseUrl,
          apiKey: apiKeyFile === undefined ? undefined : readSecret(apiKeyFile, context),
        })),
      ),
  )
  .default([])
  .register(variables, {
    name: "OMNIAI_PROVIDERS",
    allowed:
      'a JSON list of at most 20 {"name", "baseUrl": "https://…", "apiKeyFile": "/path"}, names unique, ' +
      "apiKeyFile optional",
    isHidden: true,
  });

const lifecycle = z.object({
  /** How long the process has waited before it loaded anything, in ms. main.ts reads it; here it is only checked. */
  startDelayMs: seconds(START_DELAY_NAME, 0, 0, MAX_START_DELAY_SECONDS),
  /** How long it serves on after SIGTERM, in ms: longer than the edge needs to switch to the successors. */
  switchMs: seconds("OMNIAI_SWITCH_SECONDS", 6, 0, 600),
  /** The streams' farewell is spread over this, in ms. */
  drainMs: seconds("OMNIAI_DRAIN_SECONDS", 5, 0, 600),
  /** How long all the rest may take after both, in ms, before the process ends itself the hard way. */
  marginMs: seconds("OMNIAI_STOP_MARGIN_SECONDS", 5, 1, 120),
  /** An event loop blocked for this long, in ms, ends the process; 0 turns the watchdog off. */
  wedgedMs: seconds("OMNIAI_WEDGED_SECONDS", 10, 0, 600),
});

const insideUrl = /^https?:\/\/[A-Za-z0-9._-]+(:\d+)?(\/[^\s?#@]*)?$/;
const INSIDE_URL_ALLOWED = "an http or https URL without user and query";

/** What is around the service, and shown to whoever may see all; each undefined or empty where a stack has none. */
const surroundings = z.object({
  /** Where the backup room says how fresh the backups are. */
  backupStatusUrl: optionalText("OMNIAI_BACKUP_STATUS_URL", insideUrl, INSIDE_URL_ALLOWED),
  /** Where each vmalert says which alerts fire; none for a stack that is not watched. */
  alertsUrls: list(
    "OMNIAI_ALERTS_URLS",
    (url) => insideUrl.test(url),
    "http or https URLs without user and query, separated by commas",
  ),
  /** Where the edge answers by TLS. */
  edgeTls: optionalText(
    "OMNIAI_EDGE_TLS",
    /^[A-Za-z0-9._-]+:\d{1,5}$/,
    "a host and a port, such as edge:8443",
  ),
  /** What the stack is called outside, through its tunnel. */
  tunnelUrl: optionalText("OMNIAI_TUNNEL_URL", /^https?:\/\/[A-Za-z0-9.-]+(:\d+)?$/, "a URL without a path"),
});

const PUSH_KEY = `a readable file with at least ${MIN_SECRET_LENGTH} characters`;

/** Alerts to the browsers of users; all of it or nothing. */
const push = z
  .object({
    /** The pair that push services know the service by; it follows from the secret in the file. */
    keys: z
      .string()
      .transform((path, context) => {
        const text = readSecret(path, context);
        if (text === z.NEVER) return z.NEVER;
        if (text.length >= MIN_SECRET_LENGTH) return vapidKeys(text);
        refuse(context, `the secret in ${path} (not shown) is too short; allowed is ${PUSH_KEY}`);
        return z.NEVER;
      })
      .optional()
      .register(variables, { name: "OMNIAI_PUSH_KEY_FILE", allowed: PUSH_KEY }),
    /** Whom the makers of a push service may write to (RFC 8292 2.1). */
    contact: optionalText(
      "OMNIAI_PUSH_CONTACT",
      /^(mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)$/,
      "mailto: with an address, or an https URL",
    ),
    /** What Alertmanager presents when it tells of alerts. */
    hookSecret: secretFile("OMNIAI_PUSH_HOOK_SECRET_FILE"),
    /** Where the gate between Alertmanager and the service says that it lives; undefined for a stack that is not watched. */
    gateUrl: optionalText("OMNIAI_PUSH_GATE_URL", insideUrl, INSIDE_URL_ALLOWED),
  })
  .superRefine((group, context) => {
    const names = ["keys", "contact", "hookSecret"] as const;
    const missing = names.filter((name) => group[name] === undefined);
    if (missing.length === names.length) return;
    for (const name of missing)
      refuse(context, "it is missing; web push needs it beside the other OMNIAI_PUSH_ names", [name]);
  });

const bodyLimits = z.object({ bodyLimitBytes: z.number(), bodyBytes: z.number() });
const ports = z.object({ port: z.number(), internalPort: z.number() });

export const configSchema = z
  .object({
    /** The address that both listeners bind. */
    host: text("OMNIAI_HOST", "127.0.0.1", /^[0-9A-Za-z.:-]+$/, "an address to listen on"),
    /** The public port, and the internal one for health, metrics and diagnostics; 0 lets the system choose (tests). */
    port: whole("OMNIAI_PORT", 8000, 0, 65_535),
    internalPort: whole("OMNIAI_INTERNAL_PORT", 9000, 0, 65_535),
    /** The content hash of the image; "dev" outside of one. */
    build: text("OMNIAI_BUILD", "dev", namePattern, NAME_ALLOWED),
    /** The sources' commit; undefined where it is not known. */
    commit: optionalText("OMNIAI_COMMIT", /^[0-9a-f]{7,64}$/, "7 to 64 hexadecimal digits"),
    /** Where traces are sent to by OTLP over HTTP, without the path /v1/traces; undefined: nowhere. */
    otlpEndpoint: optionalText("OMNIAI_OTLP_ENDPOINT", insideUrl, INSIDE_URL_ALLOWED),
    stack: text("OMNIAI_STACK", "dev", namePattern, NAME_ALLOWED),
    logLevel: choice("OMNIAI_LOG_LEVEL", "info", LOG_LEVELS),
    /** Exact origins (scheme://host[:port]) that browsers may call from. */
    corsOrigins: list(
      "OMNIAI_CORS_ORIGINS",
      isOrigin,
      "exact origins such as https://someone.github.io, without a path, separated by commas",
    ),
    /** The longest request body, in bytes. */
    bodyLimitBytes: whole("OMNIAI_BODY_LIMIT_BYTES", 65_536, 1024, 10_485_760),
    /** Request bodies that may be under way at once, in bytes: half of them of one address. */
    bodyBytes: whole("OMNIAI_BODY_BYTES", 4_194_304, 131_072, 1_073_741_824),
    surroundings,
    push,
    postgres,
    redis,
    events,
    auth,
    health,
    reports,
    providers,
    lifecycle,
  })
  .refine(({ bodyLimitBytes, bodyBytes }) => bodyLimitBytes * 2 <= bodyBytes, {
    ...sentence(
      "the value is not allowed; allowed is at least twice OMNIAI_BODY_LIMIT_BYTES, because one address gets half of it",
    ),
    path: ["bodyBytes"],
    when: ({ value }) => bodyLimits.safeParse(value).success,
  })
  .refine(({ push: { keys }, auth: { mode } }) => keys === undefined || mode !== "none", {
    ...sentence("web push needs logins; allowed is only with OMNIAI_AUTH_MODE session, token or both"),
    path: ["push", "keys"],
  })
  .refine(({ port, internalPort }) => port === 0 || port !== internalPort, {
    ...sentence("OMNIAI_PORT's value is not allowed; allowed is another port"),
    path: ["internalPort"],
    // Also beside problems of other variables, which a refinement would wait for.
    when: ({ value }) => ports.safeParse(value).success,
  });
