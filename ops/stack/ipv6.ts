/** Whether an engine hands visitors that come by IPv6 on with their own addresses. */
import { isIPv6 } from "node:net";
import type Docker from "dockerode";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { note } from "../terminal/output.ts";
import { wantedPorts, type KnownConfig } from "./settings.ts";

/** What the engine says of itself (GET /info). */
export interface EngineFacts {
  readonly ServerVersion: string;
  readonly ExperimentalBuild: boolean;
}

/** From this major version on it is the default; before it asks for `experimental`. https://docs.docker.com/engine/release-notes/27/ */
const TRANSLATES_BY_DEFAULT = 27;

/**
 * Pure: false for an engine that cannot. One that could, but was told otherwise (`ip6tables`), does not say so.
 */
export const translatesIpv6 = ({ ServerVersion, ExperimentalBuild }: EngineFacts): boolean =>
  Number.parseInt(ServerVersion, 10) >= TRANSLATES_BY_DEFAULT || ExperimentalBuild;

/** Pure: what an engine that may translate does not say, for an operator; undefined for one that does so by itself. */
export const unsaid = ({ ServerVersion }: EngineFacts): string | undefined =>
  Number.parseInt(ServerVersion, 10) >= TRANSLATES_BY_DEFAULT
    ? undefined
    : `Docker ${ServerVersion} does not say whether it translates IPv6. Its /etc/docker/daemon.json has to have "ip6tables": true, or all who come by IPv6 have one address.`;

/** The loopback's visitors are this machine's own, so whose address they have does not matter. */
const LOOPBACK = "::1";

/**
 * Refuses an IPv6 address of the edge on an engine that would connect to the edge itself, for all visitors: they would share
 * one address, and with it the limits of one. @throws OpsError
 */
export async function checkIpv6(docker: Docker, stack: string, config: KnownConfig): Promise<void> {
  const wanted = wantedPorts(config).find(({ address }) => isIPv6(address) && address !== LOOPBACK);
  if (wanted === undefined) return;
  const facts = (await docker.info()) as EngineFacts;
  if (translatesIpv6(facts)) {
    const reminder = unsaid(facts);
    if (reminder !== undefined) note(reminder);
    return;
  }
  throw new OpsError(
    `omniai:${wanted.addressKey} is ${wanted.address}, but the engine (Docker ${facts.ServerVersion}) does not translate IPv6: all who come by it would have one address, and share the limits of one.`,
    `${remedy(stack, config)}\n  Without IPv6: ${
      wanted.addressKey === "bindAddress"
        ? "give omniai:bindAddress an IPv4 address."
        : "leave omniai:bindAddressIpv6 empty."
    }`,
    exit.usage,
  );
}

/** A deploy prepares its machine as well, but comes to it only after this check; and an engine that has containers is not restarted. */
const remedy = (stack: string, { hostPrepare = false }: KnownConfig): string =>
  hostPrepare
    ? `Have its machine prepared anew (${npmRun("host", stack)}), which sets what Docker needs for it; then restart Docker there: systemctl restart docker`
    : 'Set "experimental": true and "ip6tables": true in the /etc/docker/daemon.json of its machine and restart Docker there (systemctl restart docker), or upgrade it to Docker 27 or newer.';
