/** The machine that a stack moves to, and what of the stack's config follows it there. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { mergeValues, readYaml, stackFilePath } from "../../stack/config-files.ts";
import type { Access } from "../../stack/move-progress.ts";
import { ROOT, type Place } from "../../stack/place.ts";
import { checkConfig, checkedSettings, wantedPorts } from "../../stack/settings.ts";
import { toolchainContext } from "../../stack/toolchain.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { addressOf } from "../node/node.ts";

const SSH_PORT = 22;

/**
 * Pure: the keys of the stack's file for its new machine.
 * @param named USER@HOST, ssh://USER@HOST:PORT, or the address of an engine as DOCKER_HOST has it.
 * @param prepares omniai:hostPrepare of the stack. @throws OpsError
 */
export function accessTo(named: string, hostKey: string | undefined, prepares: boolean): Access {
  if (/^(unix|tcp|npipe):\/\//.test(named)) {
    if (!prepares) return { dockerHost: named, hostKey: null };
    throw new OpsError(
      `${named} cannot be prepared over SSH, which omniai:hostPrepare asks for.`,
      "Name the machine as USER@HOST.",
      exit.usage,
    );
  }
  const { host, user, port } = addressOf(named);
  const bracketed = host.includes(":") ? `[${host}]` : host;
  const dockerHost = `ssh://${user === undefined ? "" : `${user}@`}${bracketed}${port === undefined ? "" : `:${port}`}`;
  if (!prepares) return { dockerHost, hostKey: hostKey ?? null };
  if (user === undefined || hostKey === undefined)
    throw new OpsError(
      `The stack prepares its machine (omniai:hostPrepare), and of ${host} ${user === undefined ? "no user" : "no host key"} is named.`,
      "Write USER@HOST, and --host-key with one line of the machine's /etc/ssh/ssh_host_*_key.pub.",
      exit.usage,
    );
  return { dockerHost, hostKey, hostAddress: host, hostUser: user, hostPort: Number(port ?? SSH_PORT) };
}

/** Pure: the stack's file with these keys; its comments and other keys stay as they are. */
export function withAccess(text: string, project: string, access: Access): string {
  const document = parseDocument(text);
  for (const [key, value] of Object.entries(access)) {
    const path = ["config", `${project}:${key}`];
    if (value === null) document.deleteIn(path);
    else document.setIn(path, value);
  }
  return document.toString();
}

/** The text of the stack's file. */
export function stackFileText(stack: string): string {
  const file = stackFilePath(ROOT, stack);
  return existsSync(file) ? readFileSync(file, "utf8") : "config: {}\n";
}

/** The stack as it will be, before any file says so. @throws OpsError where its config would be refused */
export const placeAt = (place: Place, access: Access): Place =>
  placeOf(place, withAccess(stackFileText(place.stack), place.settings.project, access));

/** The stack by another text of its file. @throws OpsError where its config would be refused */
export function placeOf(place: Place, text: string): Place {
  const { stack, settings } = place;
  const { project } = settings;
  const stackFile = parseDocument(text).toJS() as Record<string, unknown>;
  const values = mergeValues(readYaml(join(ROOT, "Pulumi.yaml")), stackFile, project);
  const there = checkedSettings(stack, { project, stackFile, values });
  checkConfig(stack, there);
  return {
    ...place,
    settings: there,
    context: toolchainContext({ install: place.context.install, dockerHost: there.config.dockerHost }),
  };
}

/** Refuses an address of the old machine that the edge would not find on the new one. @throws OpsError */
export function checkAddresses({ settings, stack }: Place): void {
  const anywhere = ["127.0.0.1", "0.0.0.0", "::", "::1"];
  for (const { address, addressKey } of wantedPorts(settings.config)) {
    if (anywhere.includes(address)) continue;
    throw new OpsError(
      `The edge of stack ${stack} listens on ${address} (omniai:${addressKey}), which is an address of its present machine.`,
      `Set omniai:${addressKey} to ${address.includes(":") ? "::" : "0.0.0.0"}, run npm run up, and move then.`,
      exit.usage,
    );
  }
}
