/**
 * `docker run` for the short-lived containers that prepare something (files in a volume, the database). They hold to the
 * same rules as those that stay; policies/rules/command-containers.ts checks the flags.
 */

export interface ShortLivedArgs {
  /** `uid:gid`. Root only without a network. */
  readonly user: string;
  /** The memory limit in MiB; there is no swap on top. */
  readonly memory: number;
  /** How many processes and threads at most. */
  readonly pids: number;
  /** The variable of the command that names the network; undefined: no network at all. */
  readonly network?: string;
  /** What root may do in a container without a network; default: nothing. */
  readonly capabilities?: readonly string[];
  /** The volumes, by the variable of the command that names each. */
  readonly volumes: readonly {
    readonly variable: string;
    readonly path: string;
    readonly readOnly?: boolean;
  }[];
  /** More flags, for example `--init`. */
  readonly flags?: readonly string[];
  /** What runs in it, as the shell reads it. */
  readonly command: string;
}

/**
 * Pure: the script. The image's id is in the command's variable IMAGE. Names are in variables, so that the same script
 * stands for every stack: the policies know it by its hash.
 */
export function shortLived(args: ShortLivedArgs): string {
  const { user, memory, pids, network, capabilities = [], volumes, flags = [], command } = args;
  return [
    "docker run --rm",
    `--network ${network === undefined ? "none" : `"$${network}"`}`,
    `--read-only --user ${user} --security-opt no-new-privileges`,
    ["--cap-drop ALL", ...capabilities.map((name) => `--cap-add ${name}`)].join(" "),
    `--memory ${memory}m --memory-swap ${memory}m --cpus 1 --pids-limit ${pids} --log-driver none`,
    ...flags,
    ...volumes.map(({ variable, path, readOnly }) => `-v "$${variable}:${path}${readOnly ? ":ro" : ""}"`),
    command,
  ].join(" ");
}

/**
 * A container that may write files of any owner into the volume named by VOLUME, and nothing else. It runs the script in
 * the variable SCRIPT, so that the host's shell does not interpret any of its characters.
 */
export const writeIntoVolume = (flags: readonly string[] = []): string =>
  shortLived({
    user: "0:0",
    memory: 64,
    pids: 32,
    capabilities: ["CHOWN", "FOWNER", "DAC_OVERRIDE"],
    volumes: [{ variable: "VOLUME", path: "/files" }],
    flags: ["-i", ...flags],
    command: '--entrypoint sh "$IMAGE" -c "$SCRIPT"',
  });
