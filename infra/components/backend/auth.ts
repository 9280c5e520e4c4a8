/** What the service is told about logins, tokens and limits. */
import type { StackConfig } from "../../config/schema.ts";

/** The keys of Pulumi.yaml by the same names. */
export type AuthArgs = Pick<
  StackConfig,
  | "authMode"
  | "pageSite"
  | "sessionIdleMinutes"
  | "sessionMaxHours"
  | "accessTokenMinutes"
  | "refreshTokenDays"
  | "requestsPerMinute"
  | "failedLoginsPerUser"
  | "failedLoginsPerAddress"
  | "streamsPerUser"
  | "auditDays"
>;

/** Pure: the variables of a replica. The service counts in seconds. */
export function authVariables(args: AuthArgs): Readonly<Record<string, string>> {
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
