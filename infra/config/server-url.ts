/** The address of a server that others run, with all that it takes to log in there. Without Pulumi's SDK. */
import type { ConfigProblem } from "./keys.ts";

/** What an address says. */
export interface ServerUrl {
  readonly host: string;
  readonly port: number;
  /** Empty where the server has users without names. */
  readonly user: string;
  readonly password: string;
  /** What follows the port, without the slash; empty for nothing. */
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const hostPattern = /^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])$/;

/** Pure: the parts, decoded; undefined for what is no address of one server with a password. */
export function parseServerUrl(
  text: string,
  protocols: readonly string[],
  port: number,
): ServerUrl | undefined {
  if (/\s/.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!protocols.includes(url.protocol) || !hostPattern.test(url.hostname)) return undefined;
  if (url.password === "" || url.hash !== "" || url.port === "0") return undefined;
  try {
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(url.port || port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      path: decodeURIComponent(url.pathname.replace(/^\//, "")),
      parameters: Object.fromEntries(url.searchParams),
    };
  } catch {
    // A percent sign that begins no character.
    return undefined;
  }
}

/**
 * Pure: an address and an authority are of a server that others run, and that has to have an address. Each reads one secret at
 * most: where a secret is encrypted and not known, a rule that reads it says nothing.
 * @param key who runs the server: "database", with its other keys beside it
 */
export function externalRules<Key extends string>(
  key: Key,
): readonly ((
  config: Readonly<Record<Key | `${Key}SecretUrl` | `${Key}Authority`, string>>,
) => ConfigProblem[])[] {
  const beside = `empty, or omniai:${key}: external beside it`;
  return [
    ({ [key]: where, [`${key}SecretUrl` as const]: url }) =>
      (where === "external") === (url !== "")
        ? []
        : [
            {
              key: `${key}SecretUrl`,
              value: url,
              allowed: url === "" ? `the address of the server with omniai:${key}: external` : beside,
            },
          ],
    ({ [key]: where, [`${key}Authority` as const]: authority }) =>
      where !== "external" && authority !== ""
        ? [{ key: `${key}Authority`, value: authority, allowed: beside }]
        : [],
  ];
}
