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
}

/** Settings that npm has under the same name. They may come from an .npmrc, so only a flag that is lost counts. */
export const npmsOwn = new Set(["json", "message", "yes", "diff"]);

interface Kept extends Flag {
  readonly variable: string;
  /** Undefined where npm separated it from its flag, because no equals sign held them together. */
  readonly given?: string;
}

const variableOf = (name: string): string => `npm_config_${name.replace(/^no-/, "").replaceAll("-", "_")}`;

function keptByNpm(
  flags: readonly Flag[],
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Kept[] {
  const seen = (name: string): boolean =>
    args.some((argument) => argument === `--${name}` || argument.startsWith(`--${name}=`));
  const kept = new Map<string, Kept>();
  for (const flag of flags) {
    const variable = variableOf(flag.name);
    const set = env[variable];
    if (set === undefined || (npmsOwn.has(flag.name) && seen(flag.name))) continue;
    // npm writes "" for a flag that was negated, and "true" for one without a value.
    if (flag.value === undefined && (set === "") !== flag.name.startsWith("no-")) continue;
    if (npmsOwn.has(flag.name) && set === "") continue;
    const given = flag.value === undefined || set === "" || set === "true" ? undefined : set;
    kept.set(flag.name, { ...flag, variable, given });
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
    if (flag.value === undefined) return `--${flag.name}`;
    const value = flag.given ?? values.shift();
    return `--${flag.name} ${value === undefined ? `<${flag.value}>` : quoted(value)}`;
  });
  const them = kept.length > 1 ? "them" : "it";
  return {
    what: `npm kept ${kept.map(({ name }) => `--${name}`).join(", ")} for itself, so \`npm run ${script}\` would run without ${them}. Nothing was done.`,
    remedy:
      `Flags follow "--": ${["npm run", script, "--", ...rest, ...typed].join(" ")}\n` +
      `  If you did not type ${them}, remove ${kept.map(({ variable }) => variable).join(", ")} from the environment, or the setting from your .npmrc.`,
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
