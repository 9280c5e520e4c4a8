/**
 * `npm run drill`: rebuilds the stack under another name from nothing but its copies off-site, compares, says how long it
 * took (RTO) and what would have been lost (RPO), and removes it again.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stackFilePath } from "../../stack/config-files.ts";
import { refuseExternal } from "../../stack/external.ts";
import { findPlace, ROOT } from "../../stack/place.ts";
import { readSettings } from "../../stack/settings.ts";
import type { SealedStack } from "../../stack/seal.ts";
import { say, signals } from "../../stack/this-process.ts";
import { dockerHostOf, prepareImages, prepareTools, toolchainContext } from "../../stack/toolchain.ts";
import { connect } from "../../engine/connection.ts";
import { OpsError } from "../../terminal/errors.ts";
import { duration, paint, print, printJson, table } from "../../terminal/output.ts";
import { findBucket, type BucketOptions } from "../rebuild/bucket.ts";
import {
  baseImages,
  fetchInto,
  mustOperate,
  openSource,
  operate,
  readSealed,
  restoreAll,
} from "../rebuild/copies.ts";
import type { Restored } from "../restore/restore.ts";
import { drillFile } from "./config.ts";
import { freePort } from "../../../tools/host/free-port.ts";

export interface DrillOptions extends BucketOptions {
  /** Leaves the drill's stack where it is. */
  readonly keep?: boolean;
}

/** What a drill has found out. Times in seconds. */
export interface DrillReport {
  readonly stack: string;
  readonly drill: string;
  readonly copy: { readonly id: string; readonly at: string };
  /** From the first command until the service answers with the data. */
  readonly rto: number;
  /** What was written since the newest copy would have been lost. */
  readonly rpo: number;
  readonly phases: Readonly<Record<string, number>>;
  readonly tables: number;
  readonly rows: number;
  /** The last change that is there. */
  readonly until: string;
  /** The dump that was restored for comparison, and the tables in which the log brought something since; null without a dump. */
  readonly compared: { readonly dump: string; readonly changedTables: number } | null;
}

export async function drill(options: DrillOptions): Promise<void> {
  const { stack } = options;
  refuseExternal(stack, findPlace(options).settings.config, { what: "a drill of its restore" });
  const bucket = await findBucket(options);
  const name = `drill-${randomBytes(3).toString("hex")}`;
  const clock = new Clock();
  const context = toolchainContext({ install: options.install !== false });
  signals.begin({ title: "making the tools ready" });
  await prepareTools(context, "here");
  const host = await dockerHostOf(context);
  const images = baseImages(readSettings(ROOT, stack).config);
  await prepareImages(context, Object.values(images), host, true);
  clock.begin();
  const source = await openSource(connect(host, context.env), bucket, images);
  const { sealed, copy } = await readSealed(source);
  clock.phase("state");
  const env = await prepareStack(name, sealed);
  const how = removal(name, env);
  try {
    say(`The drill's stack is ${name}. If this is interrupted, remove it: ${how}`);
    await mustOperate(env, "up", "--stack", name, "--yes");
    clock.phase("up");
    const brought = await fetchInto(source, name, copy.id);
    clock.phase("fetch");
    const { tables, rows, until, backup } = await restoreAll(env, name, brought);
    await mustOperate(env, "health", "--stack", name);
    const rto = clock.phase("restore");
    const report: DrillReport = {
      stack,
      drill: name,
      copy: { id: copy.id, at: copy.at },
      rto,
      rpo: Math.round((clock.began - Date.parse(copy.at)) / 1000),
      phases: clock.phases,
      tables,
      rows,
      until,
      compared: await compare(env, name, backup.id),
    };
    if (options.json) printJson(report);
    else printReport(report);
  } finally {
    if (options.keep) say(`The drill's stack ${name} is left. To remove it: ${how}`);
    else await removeStack(name, env);
  }
}

class Clock {
  began = 0;
  #last = 0;
  readonly phases: Record<string, number> = {};

  begin(): void {
    this.began = this.#last = Date.now();
  }

  /** Ends a phase. @returns the seconds since the beginning */
  phase(name: string): number {
    const now = Date.now();
    this.phases[name] = Math.round((now - this.#last) / 100) / 10;
    this.#last = now;
    return Math.round((now - this.began) / 100) / 10;
  }
}

const stateOf = (name: string): string => join(ROOT, ".state", "drills", name);

/** The drill has a state of its own, with the passphrase of the copy. @returns the environment of its commands */
async function prepareStack(name: string, sealed: SealedStack): Promise<NodeJS.ProcessEnv> {
  const folder = stateOf(name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const passphrase = join(folder, "passphrase");
  writeFileSync(passphrase, sealed.passphrase ?? process.env["PULUMI_CONFIG_PASSPHRASE"] ?? "", {
    mode: 0o600,
  });
  const ports = { httpPort: await freePort(), httpsPort: await freePort() };
  writeFileSync(stackFilePath(ROOT, name), drillFile(sealed.stackFile, sealed.project, ports), {
    mode: 0o600,
  });
  const { PULUMI_CONFIG_PASSPHRASE: _, ...rest } = process.env;
  return { ...rest, PULUMI_BACKEND_URL: `file://${folder}`, PULUMI_CONFIG_PASSPHRASE_FILE: passphrase };
}

/** The newest dump restores as well, and what it has otherwise than the stack is what the log brought since. @throws OpsError */
async function compare(
  env: NodeJS.ProcessEnv,
  name: string,
  restored: string,
): Promise<DrillReport["compared"]> {
  const { backups } = JSON.parse(await mustOperate(env, "backup", "list", "--stack", name, "--json")) as {
    backups: { id: string; kind: string; state: string }[];
  };
  const dump = backups.find(
    ({ id, kind, state }) => kind === "dump" && state === "verified" && stamp(id) <= stamp(restored),
  );
  if (dump === undefined) return null;
  const answer = await mustOperate(env, "restore", "--stack", name, "--id", dump.id, "--json");
  return { dump: dump.id, changedTables: (JSON.parse(answer) as Restored).changes.length };
}

/** When a backup was taken, out of its id. */
const stamp = (id: string): string => id.split("-")[1] ?? "";

const removal = (name: string, env: NodeJS.ProcessEnv): string =>
  `PULUMI_BACKEND_URL=${env["PULUMI_BACKEND_URL"]} PULUMI_CONFIG_PASSPHRASE_FILE=${env["PULUMI_CONFIG_PASSPHRASE_FILE"]} ` +
  `npm run down -- --stack ${name} --delete-data --delete-backups --yes; rm -r ${stateOf(name)} ${stackFilePath(ROOT, name)}`;

async function removeStack(name: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { code } = await operate(env, "down", "--stack", name, "--delete-data", "--delete-backups", "--yes");
  if (code !== 0)
    throw new OpsError(`The drill's stack ${name} could not be removed.`, `Remove it: ${removal(name, env)}`);
  rmSync(stateOf(name), { recursive: true, force: true });
  rmSync(stackFilePath(ROOT, name), { force: true });
}

function printReport({ stack, copy, rto, rpo, phases, tables, rows, until, compared }: DrillReport): void {
  print(
    `${paint("green", "✓")} Stack ${paint("bold", stack)} can be rebuilt from its copies off-site alone.`,
  );
  print(`  RTO: ${duration(rto)} until the service answered with the data:`);
  for (const line of table(
    Object.entries(phases).map(([name, seconds]) => [name, duration(seconds)]),
    "    ",
  ))
    print(line);
  print(`  RPO: ${duration(rpo)}, the age of the newest copy (${copy.id}, ${copy.at}) when the drill began.`);
  print(`  ${tables} tables with ${rows} rows, up to ${until}.`);
  if (compared !== null)
    print(
      `  Dump ${compared.dump} restores too; the log has brought changes in ${compared.changedTables} tables since.`,
    );
}
