/**
 * Rule command-known. A command can do whatever the one who deploys can do, on that machine and on the host. No rule can
 * read a script well enough, so each script is known by its hash, and a new one shows in a file that its owners look at.
 */
import { hashOf, knownScripts } from "../known-scripts.ts";
import { COMMANDS, ifKnown, resourceRule, scriptFile, scriptsOf, type CommandProps } from "../rule.ts";

interface Props extends CommandProps {
  readonly interpreter?: readonly string[];
  readonly dir?: string;
}

/** How every command reaches the engine. */
const always: ReadonlySet<string> = new Set(["DOCKER_HOST", "SCRIPT"]);

const nameIn = (name: string, script: string): boolean => new RegExp(`(\\$\\{?|-e )${name}\\b`).test(script);

export const commandKnown = resourceRule<Props>(COMMANDS, {
  name: "command-known",
  title:
    "A command runs a script that is known by its hash, with no variables but those that the script names.",
  source: "CWE-829",
  remedy:
    "Make it with the scripts that are there; a new one is added by `UPDATE_SNAPSHOTS=1 npm test -- policies` to policies/known-scripts.json, whose owners look at it.",
  *check({ props, secrets }) {
    if ((props.interpreter ?? []).length > 0) yield "it has an interpreter of its own.";
    if (props.dir !== undefined && props.dir !== "") yield `it runs in ${props.dir}.`;
    const scripts = scriptsOf(props);
    const file = ifKnown(() => scriptFile(props));
    for (const script of scripts) {
      if (knownScripts.has(hashOf(script))) continue;
      if (file !== undefined && script === file.content)
        yield `${file.path} has another content than the known one.`;
      else yield `no known script: ${secrets.some(isScript) ? "(a secret)" : firstLine(script)}`;
    }
    for (const name of Object.keys(ifKnown(() => props.environment) ?? {})) {
      if (!always.has(name) && !scripts.some((script) => nameIn(name, script)))
        yield `its variable ${name} is none that its script names, and may change what the script runs.`;
    }
  },
});

const isScript = (path: string): boolean => /^(create|update|delete|stdin|environment\.SCRIPT)$/.test(path);

const firstLine = (script: string): string => {
  const [line = ""] = script.split("\n").filter((text) => text.trim() !== "");
  return line.length > 100 ? `${line.slice(0, 100)}…` : line;
};
