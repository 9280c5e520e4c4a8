/**
 * Rule command-containers. A container that a command starts is not seen by the rules about containers, and can do as
 * much harm in its short life.
 */
import { dockerRuns, type DockerRun } from "../docker-run.ts";
import { COMMANDS, isUnknownValue, resourceRule, scriptsOf, type CommandProps } from "../rule.ts";

/** What root needs to write files of any owner into a volume. */
const writerCapabilities: ReadonlySet<string> = new Set(["CHOWN", "DAC_OVERRIDE", "FOWNER"]);

const isName = (value: string): boolean => /^[A-Za-z0-9][\w.-]*$/.test(value);
const isImageId = (value: string): boolean => /^sha256:[0-9a-f]{64}$/.test(value);
const isRoot = (user: string): boolean => /^(0*|root)(:|$)/.test(user);

/** What holds whatever the variables hold. */
function* wrongFlags({ flags, unclear }: DockerRun): Iterable<string> {
  yield* unclear;
  if (unclear.length > 0) return;
  const one = (flag: string): string => flags.get(flag)?.at(-1) ?? "";
  for (const flag of ["--rm", "--read-only"]) if (!flags.has(flag)) yield `it lacks ${flag}.`;
  if (!flags.get("--cap-drop")?.includes("ALL")) yield "it lacks --cap-drop ALL.";
  for (const option of flags.get("--security-opt") ?? []) {
    if (!/^no-new-privileges(:true)?$/.test(option)) yield `its --security-opt ${option} is not allowed.`;
  }
  if (!flags.has("--security-opt")) yield "it lacks --security-opt no-new-privileges.";
  if (!/^\d+m$/.test(one("--memory")) || one("--memory") !== one("--memory-swap"))
    yield "it lacks --memory, or a --memory-swap that is the same.";
  if (!(Number(one("--cpus")) > 0)) yield "it lacks --cpus.";
  if (!(Number(one("--pids-limit")) > 0)) yield "it lacks --pids-limit.";
  yield* wrongRights(flags, one("--network") === "none");
  for (const variable of flags.get("-e") ?? [])
    if (!/^\w+$/.test(variable)) yield `its variable ${variable} has its value in the script.`;
}

function* wrongRights(flags: DockerRun["flags"], alone: boolean): Iterable<string> {
  const user = flags.get("--user")?.at(-1) ?? "";
  if (isRoot(user) && !alone) yield "it runs as root and has a network.";
  for (const capability of flags.get("--cap-add") ?? []) {
    if (!alone || !writerCapabilities.has(capability)) yield `it adds the capability ${capability}.`;
  }
}

/** What the command's variables bring into the flags: each may only be a name. */
function* handedOver({
  flags,
  image = "",
}: DockerRun): Iterable<{ text: string; pattern: RegExp; good: (value: string) => boolean; what: string }> {
  for (const text of flags.get("--network") ?? [""]) {
    if (text === "none") continue;
    const good = (value: string): boolean => isName(value) && !/^(host|bridge|container)$/.test(value);
    yield { text, pattern: /^\$(\w+)$/, good, what: "network" };
  }
  for (const text of flags.get("-v") ?? [])
    yield { text, pattern: /^\$(\w+):\/[^:]*(?::ro)?$/, good: isName, what: "volume" };
  yield { text: image, pattern: /^\$(\w+)$/, good: isImageId, what: "image" };
}

interface Handed {
  readonly what: string;
  /** The variable that has it. */
  readonly name: string;
  readonly good: (value: string) => boolean;
}

/** Last, because a preview does not know all of them: those that it knows, and then the error of the first unknown one. */
function* wrongValues({ environment = {} }: CommandProps, values: readonly Handed[]): Iterable<string> {
  let unknown: Error | undefined;
  for (const { what, name, good } of values) {
    try {
      const value = environment[name] ?? "";
      if (!good(value)) yield `its ${what} (${name}) is "${value}".`;
    } catch (error) {
      if (!isUnknownValue(error)) throw error;
      unknown ??= error;
    }
  }
  if (unknown !== undefined) throw unknown;
}

export const commandContainers = resourceRule<CommandProps>(COMMANDS, {
  name: "command-containers",
  title:
    "A container that a command starts is as hardened as any other: read-only, limited, without capabilities, on volumes by name.",
  source: "CIS Docker 5",
  remedy: "Make its flags with `shortLived` (infra/resources/short-lived.ts).",
  *check({ props }) {
    const runs = scriptsOf(props).flatMap(dockerRuns);
    for (const run of runs) yield* wrongFlags(run);
    const values: Handed[] = [];
    for (const run of runs.filter(({ unclear }) => unclear.length === 0)) {
      for (const { text, pattern, good, what } of handedOver(run)) {
        const name = pattern.exec(text)?.[1];
        if (name === undefined) yield `its ${what} is "${text}", and not a name from one of its variables.`;
        else values.push({ what, name, good });
      }
    }
    yield* wrongValues(props, values);
  },
});
