/** The defaults of Pulumi.yaml, as the Pulumi CLI would hand them to the program. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

interface Project {
  config: Record<string, { type: string; default?: unknown; description?: string }>;
}

export const project = parse(
  readFileSync(join(import.meta.dirname, "..", "..", "Pulumi.yaml"), "utf8"),
) as Project;

/** One value per key, typed. */
export const defaults: Readonly<Record<string, unknown>> = Object.fromEntries(
  Object.entries(project.config).map(([key, { default: value }]) => [key, value]),
);
