/** A worker at Cloudflare that looks at the stack from outside: what it is told, and when it runs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";

export interface WatchArgs {
  readonly accountId: string;
  /** The name of the script at Cloudflare: unique in the account. */
  readonly name: pulumi.Input<string>;
  /** The first host name of the stack. */
  readonly hostname: string;
  /** Where it tells that all is well. */
  readonly url: pulumi.Input<string>;
  /** A token that may see the backups; undefined: it does not look at them. */
  readonly token: pulumi.Input<string> | undefined;
}

/** Every two minutes: with three tries the outside knows within four. Five triggers are free in an account. */
export const SCHEDULE = "*/2 * * * *";

/** As old as the alert BackupStale allows, in hours. */
const BACKUP_HOURS = 26;

/** The day whose behaviour of the runtime the script was written for. */
const COMPATIBILITY_DATE = "2026-11-01";

const MODULE = "worker.mjs";

export function createWatch(args: WatchArgs, opts: pulumi.CustomResourceOptions): void {
  const name = `omniai-${pulumi.getStack()}-watch`;
  const script = new cloudflare.WorkersScript(
    name,
    {
      accountId: args.accountId,
      scriptName: args.name,
      content: readFileSync(join(import.meta.dirname, MODULE), "utf8"),
      mainModule: MODULE,
      compatibilityDate: COMPATIBILITY_DATE,
      bindings: [
        { name: "ADDRESS", type: "plain_text", text: `https://${args.hostname}` },
        { name: "BACKUP_HOURS", type: "plain_text", text: String(BACKUP_HOURS) },
        { name: "TELL", type: "secret_text", text: args.url },
        ...(args.token === undefined ? [] : [{ name: "TOKEN", type: "secret_text", text: args.token }]),
      ],
    },
    // Another name is another script, and an old one would go on telling.
    { ...opts, deleteBeforeReplace: true },
  );
  new cloudflare.WorkersCronTrigger(
    name,
    { accountId: args.accountId, scriptName: script.scriptName, schedules: [{ cron: SCHEDULE }] },
    { ...opts, deletedWith: script },
  );
}
