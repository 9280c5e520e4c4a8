/** Whether PostgreSQL's commits wait for the backup room: its receiver is then a synchronous standby. */
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "../../resources/command.ts";
import type { Engine } from "../../resources/engine.ts";
import { renderSynchronous } from "../database/backup-access.ts";
import { PSQL } from "../database/database.ts";

/** The server as far as a command needs it. */
export interface Postgres {
  /** Its container. */
  readonly names: pulumi.Output<string[]>;
  /** Of its data: other data has to be told again. */
  readonly identity: pulumi.Output<string>;
}

export interface SynchronousArgs {
  readonly engine: Engine;
  readonly postgres: Postgres;
  readonly on: boolean;
  /** The room; undefined without one, and then no commit waits. */
  readonly room: pulumi.Resource | undefined;
}

/**
 * Tells the server, by a setting that is loaded without a restart. On only once the room is there, or the first deploy's own
 * commits would wait for what it has still to make. Off at once, whatever has become of the room: those that wait go on.
 */
export function createSynchronous(
  { engine, postgres, on, room }: SynchronousArgs,
  parent: pulumi.Resource,
): command.local.Command {
  const waits = on && room !== undefined;
  return dockerCommand(
    `omniai-${pulumi.getStack()}-postgres-synchronous`,
    {
      engine,
      script: `printf '%s' "$SCRIPT" | ${PSQL}`,
      environment: {
        CONTAINER: postgres.names.apply(([name]) => name ?? ""),
        SCRIPT: renderSynchronous(waits),
      },
      triggers: [postgres.identity],
      logging: "stderr",
    },
    { parent, dependsOn: waits ? [room] : [] },
  );
}
