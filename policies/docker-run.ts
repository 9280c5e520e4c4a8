/** What a script asks of `docker run`: its flags and its image, as the shell hands them over. */

/** One `docker run` or `docker create` of a script. */
export interface DockerRun {
  /** Each flag with its values, in their order; one that takes none has an empty text. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly image: string | undefined;
  /** What is not understood or may stand for anything, as sentences. */
  readonly unclear: readonly string[];
}

const switches: ReadonlySet<string> = new Set(["--rm", "-i", "--init", "--read-only"]);
const withValue: ReadonlySet<string> = new Set([
  "--cap-add",
  "--cap-drop",
  "--cpus",
  "--entrypoint",
  "--label",
  "--log-driver",
  "--memory",
  "--memory-swap",
  "--network",
  "--pids-limit",
  "--security-opt",
  "--user",
  "-e",
  "-v",
]);

interface Word {
  readonly text: string;
  /** True where the shell would make several words of what a variable holds, or run something. */
  readonly open: boolean;
}

/** The words up to the end of the command. Quotes are taken off; variables stay as they are written. */
function words(text: string): Word[] {
  const found: Word[] = [];
  // A part in single quotes, a part in double quotes, or characters that need none.
  const word = /^(?:'[^']*'|"(?:[^"\\`]|\\.)*"|[^\s'"`;&|()<>\\])+/;
  let rest = text;
  for (;;) {
    rest = rest.replace(/^(?:[ \t]|\\\n)+/, "");
    const [raw = ""] = word.exec(rest) ?? [];
    if (raw === "") return found;
    const bare = raw.replace(/'[^']*'|"(?:[^"\\`]|\\.)*"/g, "");
    found.push({
      text: raw.replace(
        /'([^']*)'|"((?:[^"\\`]|\\.)*)"/g,
        (_, single?: string, double?: string) => single ?? double ?? "",
      ),
      open: /[$*?[~]/.test(bare) || raw.includes("$("),
    });
    rest = rest.slice(raw.length);
  }
}

/** Pure: every container that the script would make. */
export const dockerRuns = (script: string): DockerRun[] =>
  [...script.matchAll(/\bdocker\s+(?:container\s+)?(?:run|create)\b/g)].map(({ 0: { length }, index }) =>
    readFlags(words(script.slice(index + length))),
  );

function readFlags(all: readonly Word[]): DockerRun {
  const flags = new Map<string, string[]>();
  const unclear: string[] = [];
  let at = 0;
  for (; at < all.length && (all[at]?.text.startsWith("-") || all[at]?.open); at += 1) {
    const { text, open } = all[at] as Word;
    const [flag = "", inline] = splitFlag(text);
    if (open) unclear.push(`${text} stands without quotes, so it may hold any flag.`);
    else if (switches.has(text)) flags.set(text, [""]);
    else if (withValue.has(flag)) {
      if (inline === undefined) at += 1;
      const value = inline ?? all[at]?.text ?? "";
      flags.set(flag, [...(flags.get(flag) ?? []), value]);
    } else {
      // Whether it takes a value is not known, so what comes after it cannot be read.
      return {
        flags,
        image: undefined,
        unclear: [...unclear, `its flag ${text} is none that such a container may have.`],
      };
    }
  }
  return { flags, image: all[at]?.text, unclear };
}

function splitFlag(text: string): [flag: string, value?: string] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text] : [text.slice(0, equals), text.slice(equals + 1)];
}
