/** The address of a PostgreSQL that others run: what it may be, and what it says. Without Pulumi's SDK. */
import { parseServerUrl } from "../../config/server-url.ts";

/** What an address of PostgreSQL says. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** How the service connects. An address that asks for less, such as sslmode=require, is refused and not raised in silence. */
export const SSL_MODE = "verify-full";

/** What goes into a line of a file or a variable has no control characters. */
const isPlain = (text: string): boolean => text !== "" && !/[\p{Cc}\s]/u.test(text);

/** Pure: undefined for what the service could not connect to as the address says. */
export function parseDatabaseUrl(text: string): DatabaseAddress | undefined {
  const url = parseServerUrl(text, ["postgres:", "postgresql:"], 5432);
  if (url === undefined || !isPlain(url.user) || !isPlain(url.path) || /[\r\n\0]/.test(url.password))
    return undefined;
  const { sslmode = SSL_MODE, ...others } = url.parameters;
  // A parameter that nobody reads would be dropped in silence.
  if (sslmode !== SSL_MODE || Object.keys(others).length > 0 || url.path.includes("/")) return undefined;
  const { host, port, user, password, path: database } = url;
  return { host, port, user, password, database };
}
