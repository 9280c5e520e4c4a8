/** Where the state of the stacks lies and how their secrets are kept (docs/decisions/0006-state-and-salt.md). */
import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { exit, OpsError } from "../terminal/errors.ts";

/** Where state and secrets are, as far as ops decides it. */
export interface Backend {
  /** True when state and passphrase are this checkout's own, in .state. */
  readonly own: boolean;
  readonly stateDir: string;
  /** The folder of a file backend, ours or one from the environment; undefined for any other. */
  readonly folder?: string;
  /** What the Pulumi CLI gets in its environment for it. */
  readonly env: Readonly<Record<string, string>>;
}

const FILE = "file://";

/**
 * The folder of a file backend as the Pulumi CLI reads its address: first a path, which may be relative or begin with the
 * home folder, and then a URL, which may be encoded and have options (?no_tmp_dir=true). @throws OpsError
 */
function folderOf(root: string, url: string): string | undefined {
  if (!url.startsWith(FILE)) return undefined;
  const path = url.slice(FILE.length).replace(/^~(?=$|[/?])/, () => userInfo().homedir);
  try {
    return resolve(fileURLToPath(`${FILE}${resolve(root, path)}`));
  } catch (error) {
    throw new OpsError(
      `PULUMI_BACKEND_URL=${url} is not the address of a folder: ${(error as Error).message}.`,
      "Write it like file:///srv/state; a % that belongs to the name is written %25.",
      exit.usage,
      { cause: error },
    );
  }
}

/** Pure but for the home folder: the backend that the environment asks for, else this checkout's own. */
export function planBackend(root: string, env: NodeJS.ProcessEnv): Backend {
  const stateDir = join(root, ".state");
  const url = env["PULUMI_BACKEND_URL"];
  if (url !== undefined && url !== "") {
    return { own: false, stateDir, folder: folderOf(root, url), env: {} };
  }
  const hasPassphrase =
    env["PULUMI_CONFIG_PASSPHRASE"] !== undefined || env["PULUMI_CONFIG_PASSPHRASE_FILE"] !== undefined;
  return {
    own: true,
    stateDir,
    folder: stateDir,
    env: {
      PULUMI_BACKEND_URL: `file://${stateDir}`,
      ...(hasPassphrase ? {} : { PULUMI_CONFIG_PASSPHRASE_FILE: join(stateDir, "passphrase") }),
    },
  };
}

/** Makes the folder and the passphrase, once. Whoever loses the passphrase loses every secret of the state. */
export function prepareBackend(backend: Backend): void {
  mkdirSync(backend.stateDir, { recursive: true, mode: 0o700 });
  const file = backend.env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  if (file === undefined || existsSync(file)) return;
  const stacks = join(backend.stateDir, ".pulumi", "stacks");
  if (
    existsSync(stacks) &&
    readdirSync(stacks, { recursive: true }).some((name) => String(name).endsWith(".json"))
  ) {
    throw new OpsError(
      `${file} is gone, and the secrets of the stacks beside it were encrypted with it.`,
      "Bring the file back from a copy, or set PULUMI_CONFIG_PASSPHRASE. A new passphrase could not read these secrets.",
    );
  }
  const aside = `${file}.${process.pid}`;
  writeFileSync(aside, randomBytes(32).toString("base64url"), { mode: 0o600, flag: "wx" });
  try {
    // A link fails where a second run was faster; a rename would replace its passphrase.
    linkSync(aside, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}
