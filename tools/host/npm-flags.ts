/**
 * Flags that npm kept for itself. In `npm run down --stack=staging` the `--` is missing, so npm reads the flag as a setting
 * of its own, hands it over as the variable npm_config_stack, and the command never sees it.
 */

/** One flag of a command. */
export interface Flag {
  /** As it is typed, without the dashes: "delete-data", "no-install". */
  readonly name: string;
  /** What its value is called in help; absent where it takes none. */
  readonly value?: string;
  /** The one letter that stands for it: "f". */
  readonly letter?: string;
  /** Whether only another command has it. */
  readonly ofAnother?: boolean;
}

/** Settings that npm has under the same name. They may come from an .npmrc, so only a flag that is lost counts. */
const npmsOwn: ReadonlySet<string> = new Set(["json", "message", "yes", "diff"]);

/**
 * Settings of npm that it takes one of our flags, or its letter, to be short for. They may come from an .npmrc as well. Which
 * these are is asked of the real npm in a test (ops/test/cli.test.ts).
 */
export const npmsLonger: ReadonlyMap<string, string> = new Map([
  ["engine", "engine-strict"],
  ["follow", "force"],
  ["replace", "replace-registry-host"],
  ["to", "token-description"],
]);

/** What replace-registry-host is where it comes from an .npmrc. */
const npmsWords: ReadonlySet<string> = new Set(["always", "never", "npmjs"]);

interface Kept extends Flag {
  readonly variable: string;
  /** The setting that npm took it for, where that has another name. */
  readonly longer?: string;
  /**
   * Undefined where npm separated it from its flag, because no equals sign held them together. Of a flag without a value it is
   * the next word, which npm took for one.
   */
  readonly given?: string;
}

const variableOf = (name: string): string => `npm_config_${name.replace(/^no-/, "").replaceAll("-", "_")}`;

/** The variables in which npm may hand a flag over. */
const variablesOf = ({ name }: Flag): { variable: string; longer?: string; npms: boolean }[] => {
  const longer = npmsLonger.get(name);
  return [
    { variable: variableOf(name), npms: npmsOwn.has(name) },
    ...(longer === undefined ? [] : [{ variable: variableOf(longer), longer, npms: true }]),
  ];
};

function keptByNpm(
  flags: readonly Flag[],
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Kept[] {
  const seen = ({ name, letter }: Flag): boolean =>
    args.some(
      (argument) =>
        argument === `--${name}` ||
        argument.startsWith(`--${name}=`) ||
        (letter !== undefined && argument === `-${letter}`),
    );
  const kept = new Map<string, Kept>();
  for (const flag of flags)
    for (const { variable, longer, npms } of variablesOf(flag)) {
      const set = env[variable];
      // A setting that is npm's as well cannot be meant for a command that has no such flag.
      if (set === undefined || (npms && (set === "" || flag.ofAnother === true || seen(flag)))) continue;
      // npm writes "" for a flag that was negated, and "true" for one without a value.
      if (flag.value === undefined && (set === "") !== flag.name.startsWith("no-")) continue;
      if (longer !== undefined && flag.value === undefined && npmsWords.has(set)) continue;
      const given = set === "" || set === "true" ? undefined : set;
      kept.set(flag.name, { ...flag, variable, longer, given });
    }
  return [...kept.values()];
}

/**
 * Pure: what a person is told about flags that npm kept; undefined where it kept none.
 * @param script the npm script. @param flags those of the command. @param args what the command did get
 */
export function explainKept(
  script: string,
  flags: readonly Flag[],
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): { readonly what: string; readonly remedy: string } | undefined {
  const kept = keptByNpm(flags, args, env);
  if (kept.length === 0) return undefined;
  const torn = kept.filter(({ value, given }) => value !== undefined && given === undefined);
  // Values that npm tore off arrive as arguments. Which they are is only sure where there are no others.
  const values = torn.length === args.length ? [...args] : [];
  const rest = torn.length === 0 ? args.map(quoted) : [];
  const typed = kept.map((flag) => {
    if (flag.value === undefined)
      return `--${flag.name}${flag.given === undefined ? "" : ` ${quoted(flag.given)}`}`;
    const value = flag.given ?? values.shift();
    return `--${flag.name} ${value === undefined ? `<${flag.value}>` : quoted(value)}`;
  });
  const them = kept.length > 1 ? "them" : "it";
  // npm's own setting, from an .npmrc, means the same to the command: that run of npm has to do without it.
  const without = kept.flatMap(({ longer, value }) =>
    longer === undefined || value !== undefined ? [] : [`--no-${longer}`],
  );
  const goOn = ["npm run", script, ...without, ...(args.length === 0 ? [] : ["--", ...rest])].join(" ");
  return {
    what: `npm kept ${kept.map(({ name }) => `--${name}`).join(", ")} for itself, so \`npm run ${script}\` would run without ${them}. Nothing was done.`,
    remedy:
      `Flags follow "--": ${["npm run", script, "--", ...rest, ...typed].join(" ")}\n` +
      `  If you did not type ${them}, remove ${kept.map(({ variable }) => variable).join(", ")} from the environment, or the setting from your .npmrc.` +
      (without.length === 0 ? "" : `\n  To go on with that setting where it is: ${goOn}`),
  };
}

/** Ends a program that would run without a flag that was typed. */
export function exitIfKept(script: string, flags: readonly Flag[]): void {
  const kept = explainKept(script, flags, process.argv.slice(2), process.env);
  if (kept === undefined) return;
  console.error(`${kept.what}\n  ${kept.remedy}`);
  process.exit(2);
}

const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
