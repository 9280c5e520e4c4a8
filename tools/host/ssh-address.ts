/** An engine's address that begins with ssh://, as DOCKER_HOST writes it, and what `ssh` is told for it. */

export interface SshAddress {
  /** A name, an address, or an alias of ~/.ssh/config. */
  readonly host: string;
  /** Undefined leaves it to ~/.ssh/config. */
  readonly user?: string;
  readonly port?: string;
  /** The engine's socket on that machine, where the address names one. */
  readonly socket?: string;
}

/** Undefined for any other address, and for one that names no host. */
export function parseSshAddress(address: string): SshAddress | undefined {
  if (!address.startsWith("ssh://") || !URL.canParse(address)) return undefined;
  const { hostname, username, port, pathname } = new URL(address);
  const host = decodeURIComponent(hostname).replace(/^\[|\]$/g, "");
  // A name that begins like an option would be one.
  if (host === "" || host.startsWith("-")) return undefined;
  return {
    host,
    ...(username === "" ? {} : { user: decodeURIComponent(username) }),
    ...(port === "" ? {} : { port }),
    ...(pathname.replaceAll("/", "") === "" ? {} : { socket: decodeURIComponent(pathname) }),
  };
}

/** Pure: who and where, in the words and the order that the docker CLI gives to `ssh`. */
export const sshLogin = ({ user, port }: SshAddress): string[] => [
  ...(user === undefined ? [] : ["-l", user]),
  ...(port === undefined ? [] : ["-p", port]),
];
