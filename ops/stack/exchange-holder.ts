/**
 * Who exchanges the data of a store, as its engine knows it. An exchange takes no lock of Pulumi's, and our own is each machine's own
 * where the state is in a bucket or in Pulumi's service (docs/decisions/0081-exchange-holder.md).
 */
import { userInfo } from "node:os";
import type Docker from "dockerode";
import { parseLock, thisMachine } from "../../tools/host/lock-file.mjs";
import { thisProcess } from "../../tools/host/process.mjs";
import { EXCHANGE_LABEL } from "../../infra/resources/labels.ts";
import { unlessGone } from "../engine/connection.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { holderOf } from "./locks.ts";

/** One name for each store: two scripts are never at the same data. */
export const scriptName = (stack: string, workload: string): string => `omniai-${stack}-${workload}-exchange`;

/** The container that stands for a whole exchange, also between its scripts. It ends with the connection of its client. */
export const holdName = (stack: string, workload: string): string => `${scriptName(stack, workload)}-hold`;

/** @param command that exchanges: "restore" */
export const holderLabels = (command: string): Readonly<Record<string, string>> => ({
  [EXCHANGE_LABEL]: JSON.stringify({
    ...{ ...thisProcess(), hostname: thisMachine.hostname, timestamp: new Date().toISOString() },
    ...{ username: userInfo().username, command },
  }),
});

/** A container of an exchange. */
export interface ExchangeContainer {
  readonly id: string;
  readonly name: string;
  /** created, running, exited and so on, as the engine says it. */
  readonly state: string;
  /** Whether an exchange of ours has made it. */
  readonly ours: boolean;
  /** Whether this process has made it. */
  readonly own: boolean;
  /** Whose it is, for messages. */
  readonly who: string;
}

/** @returns undefined where the engine has no container of that name */
export async function findContainer(docker: Docker, name: string): Promise<ExchangeContainer | undefined> {
  const found = await unlessGone(docker.getContainer(name).inspect());
  if (found === undefined) return undefined;
  const holder = parseLock(name, found.Config.Labels[EXCHANGE_LABEL] ?? "");
  const here = thisProcess();
  return {
    id: found.Id,
    name,
    state: found.State.Status,
    ours: holder !== undefined,
    own: holder?.pid === here.pid && holder.start === here.start && holder.hostname === thisMachine.hostname,
    who: holder === undefined ? `a container that says nothing of its owner (${name})` : holderOf(holder),
  };
}

/** The container of an exchange of this store that goes on now, by another process than this one. */
export async function exchangeUnderWay(
  docker: Docker,
  stack: string,
  workload: string,
): Promise<ExchangeContainer | undefined> {
  for (const name of [holdName(stack, workload), scriptName(stack, workload)]) {
    const found = await findContainer(docker, name);
    if (found?.state === "running" && !found.own) return found;
  }
  return undefined;
}

/**
 * Pure: the error of who may not go on while another exchanges.
 * @param waited in seconds; undefined for a command that did not wait
 */
export function exchangeHeld(
  stack: string,
  workload: string,
  { name, who }: Pick<ExchangeContainer, "name" | "who">,
  waited?: number,
): OpsError {
  return new OpsError(
    `The data of ${workload} in stack ${stack} is being exchanged by ${who}. Nothing was changed.`,
    "Wait for that run to end and run the command again. Only if it is over and its machine was lost, end on the stack's engine " +
      `what it has left: docker rm -f ${name}` +
      (waited === undefined ? "" : `\n  Waited ${waited} s; --lock-wait SECONDS says how long.`),
    exit.locked,
  );
}
