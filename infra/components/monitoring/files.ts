/** The files that lie beside this one: the rules, the dashboards, and the reader's program. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The folder with the rules. */
export const RULES = join(import.meta.dirname, "rules");

/** The files of a folder with such an ending, by their names. */
export const filesOf = (folder: string, ending: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((name) => name.endsWith(ending))
      .sort()
      .map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );

/** The rules that only a stack with a room for certificates has. */
const ACME_RULES = "acme.yaml";

/**
 * The rules about metrics by the name of their file.
 * @param certificates whether there is a room for certificates; default: every rule that there is.
 */
export const ruleFiles = (certificates = true): Record<string, string> =>
  Object.fromEntries(
    Object.entries(filesOf(RULES, ".yaml")).filter(([name]) => certificates || name !== ACME_RULES),
  );

/** The rules about logs, which another vmalert asks VictoriaLogs. */
export const logRuleFiles = (): Record<string, string> =>
  filesOf(join(import.meta.dirname, "log-rules"), ".yaml");

export const readerScript = (): string => readFileSync(join(import.meta.dirname, "reader/reader.sh"), "utf8");
