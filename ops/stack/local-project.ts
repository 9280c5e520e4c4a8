/**
 * The project in .state/project: only stack files, each a copy of the committed one with this machine's encryption salt.
 * The Pulumi CLI writes the salt into the stack's file, and in the committed one it would be of use to nobody else.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { writeWhole } from "../../tools/host/file.mjs";
import type { Backend } from "./backend.ts";
import { readYaml, type Values } from "./config-files.ts";
import type { Settings } from "./settings.ts";
import type { State } from "./state.ts";

/** A committed stack file that says itself how its secrets are encrypted is used as it is. */
export const hasOwnSecrets = (stackFile: Values | undefined): boolean =>
  ["encryptionsalt", "secretsprovider", "encryptedkey"].some((key) => stackFile?.[key] !== undefined);

/** Pure: the committed stack file with this machine's salt, which the local file or the state knows. */
export function localStackFile(
  committed: Values | undefined,
  local: Values | undefined,
  state: State | undefined,
): Record<string, unknown> {
  const salt = local?.["encryptionsalt"] ?? state?.secrets_providers?.state?.salt;
  return { ...committed, ...(typeof salt === "string" ? { encryptionsalt: salt } : {}) };
}

/** Writes the local project of a stack. JSON is YAML too, and needs no writer of its own. */
export function writeLocalProject(
  backend: Backend,
  stack: string,
  settings: Settings,
): { readonly folder: string; readonly file: string } {
  const folder = join(backend.stateDir, "project");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const mode = 0o600;
  const project = { name: settings.project, runtime: "nodejs" };
  writeWhole(join(folder, "Pulumi.yaml"), `${JSON.stringify(project)}\n`, { mode });
  const file = join(folder, `Pulumi.${stack}.yaml`);
  const local = readLocal(file);
  const wanted = localStackFile(settings.stackFile, local, savedState(backend, settings.project, stack));
  // Left alone while it is right: another run's CLI may be about to read it, or to add the salt.
  if (!isDeepStrictEqual(local, wanted)) writeWhole(file, `${JSON.stringify(wanted, null, 2)}\n`, { mode });
  return { folder, file };
}

/** What a former run left there; a file that cannot be read is written anew. */
function readLocal(file: string): Values | undefined {
  try {
    return existsSync(file) ? readYaml(file) : undefined;
  } catch {
    return undefined;
  }
}

/** The state has the salt as well, in case the local file was lost. */
function savedState(backend: Backend, project: string, stack: string): State | undefined {
  if (backend.folder === undefined) return undefined;
  try {
    const file = join(backend.folder, ".pulumi", "stacks", project, `${stack}.json`);
    const saved = JSON.parse(readFileSync(file, "utf8")) as { checkpoint?: { latest?: State } };
    return saved.checkpoint?.latest;
  } catch {
    return undefined;
  }
}
