/** What the service is told about logins, tokens and limits: config keys, and the variables that they become. */
import { z } from "zod";
import { within, type ConfigProblem, type Values } from "../../config/keys.ts";

export const authKeys = {
  authMode: z.enum(["none", "session", "token", "both"]).describe("one of none, session, token, both"),
  pageSite: z.enum(["same-site", "cross-site"]).describe("same-site or cross-site"),
  sessionIdleMinutes: within(1, 43_200),
  sessionMaxHours: within(1, 2160),
  accessTokenMinutes: within(1, 60),
  refreshTokenDays: within(1, 365),
  requestsPerMinute: within(0, 10_000_000),
  failedLoginsPerUser: within(0, 1_000_000),
  failedLoginsPerAddress: within(0, 1_000_000),
  streamsPerUser: within(1, 1_000_000),
  auditDays: within(1, 3650),
};

export type AuthConfig = Values<typeof authKeys>;

/** Pure: these keys alone, out of a config that may have others. */
export const authArgs = (config: AuthConfig): AuthConfig => ({
  authMode: config.authMode,
  pageSite: config.pageSite,
  sessionIdleMinutes: config.sessionIdleMinutes,
  sessionMaxHours: config.sessionMaxHours,
  accessTokenMinutes: config.accessTokenMinutes,
  refreshTokenDays: config.refreshTokenDays,
  requestsPerMinute: config.requestsPerMinute,
  failedLoginsPerUser: config.failedLoginsPerUser,
  failedLoginsPerAddress: config.failedLoginsPerAddress,
  streamsPerUser: config.streamsPerUser,
  auditDays: config.auditDays,
});

/** A session that may be idle for longer than it lasts. */
export const authProblems = ({
  sessionIdleMinutes,
  sessionMaxHours,
}: Pick<AuthConfig, "sessionIdleMinutes" | "sessionMaxHours">): ConfigProblem[] =>
  sessionIdleMinutes > sessionMaxHours * 60
    ? [
        {
          key: "sessionIdleMinutes",
          value: sessionIdleMinutes,
          allowed: `at most omniai:sessionMaxHours (${sessionMaxHours}) in minutes`,
        },
      ]
    : [];

/** Pure: the variables of a replica. The service counts in seconds. */
export function authVariables(args: AuthConfig): Readonly<Record<string, string>> {
  return {
    OMNIAI_AUTH_MODE: args.authMode,
    OMNIAI_PAGE_SITE: args.pageSite,
    OMNIAI_SESSION_IDLE_SECONDS: String(args.sessionIdleMinutes * 60),
    OMNIAI_SESSION_MAX_SECONDS: String(args.sessionMaxHours * 3600),
    OMNIAI_ACCESS_SECONDS: String(args.accessTokenMinutes * 60),
    OMNIAI_REFRESH_SECONDS: String(args.refreshTokenDays * 86_400),
    OMNIAI_LIMIT_REQUESTS_PER_MINUTE: String(args.requestsPerMinute),
    OMNIAI_LIMIT_LOGINS_PER_USER: String(args.failedLoginsPerUser),
    OMNIAI_LIMIT_LOGINS_PER_ADDRESS: String(args.failedLoginsPerAddress),
    OMNIAI_MAX_STREAMS_PER_USER: String(args.streamsPerUser),
    OMNIAI_AUDIT_DAYS: String(args.auditDays),
  };
}
