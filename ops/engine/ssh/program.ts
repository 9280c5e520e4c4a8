/**
 * A program `ssh` for the front of PATH: what the docker CLI, the docker provider and the toolchain start with it reaches
 * the stack's host through the connection that is there. Calls for any other host go to the real one as they are.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SshAddress } from "../../../tools/host/ssh-address.ts";

export interface SharedSsh {
  readonly address: SshAddress;
  /** The real program. */
  readonly ssh: string;
  /** The socket that leads to the engine. */
  readonly socket: string;
  /** Arguments that make the real program use the connection. */
  readonly share: readonly string[];
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const command = (...words: readonly string[]): string => words.map(quoted).join(" ");

/** Pure: the program as a shell script. Versions of the docker CLI write their options in different orders. */
export function sshScript({ address, ssh, socket, share }: SharedSsh): string {
  const { user = "", port = "", host } = address;
  return `#!/bin/sh
user= port= host= previous=
for word do
  case $previous in -l) user=$word ;; -p) port=$word ;; --) host=$word; break ;; esac
  previous=$word
done
[ "$user $port $host" = ${quoted(`${user} ${port} ${host}`)} ] || exec ${command(ssh)} "$@"
case "$*" in
*' system dial-stdio') exec ${command(process.execPath, join(import.meta.dirname, "pipe.mjs"), socket, host)} ;;
*) exec ${command(ssh, ...share)} "$@" ;;
esac
`;
}

/** @param folder one that holds nothing else, for the front of PATH. */
export function writeSshProgram(folder: string, shared: SharedSsh): void {
  writeFileSync(join(folder, "ssh"), sshScript(shared), { mode: 0o700 });
}
