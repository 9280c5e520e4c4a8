/** Web push: the key pair, and what a replica is told. push-config.ts has the keys. */
import type * as pulumi from "@pulumi/pulumi";
import { createPassword } from "../../resources/password.ts";
import type { PushSettings } from "./push-config.ts";

/** The secrets of web push: each a file that the service alone reads. */
export interface PushSecrets {
  /** What the pair that push services know the stack by follows from. */
  readonly key: pulumi.Output<string>;
  /** What Alertmanager presents to the replicas. */
  readonly hook: pulumi.Output<string>;
}

/**
 * Makes them. The key pair follows from a password (service/src/platform/env/vapid-keys.ts). RandomBytes would be the key
 * itself, but Pulumi writes its value into the resource's id, which is not encrypted in the state (docs/decisions/0056-web-push.md).
 */
export const createPushSecrets = ({ serial }: PushSettings, parent: pulumi.Resource): PushSecrets => ({
  key: createPassword("push-key", parent, false, serial),
  hook: createPassword("push-hook", parent, false),
});

const KEY_FILE = "push-key";
const HOOK_FILE = "push-hook-secret";

/** Pure: the files of a replica, by their names. */
export const pushFiles = ({ key, hook }: PushSecrets): Readonly<Record<string, pulumi.Output<string>>> => ({
  [KEY_FILE]: key,
  [HOOK_FILE]: hook,
});

/**
 * Pure: the variables of a replica.
 * @param folder where its files lie in the container
 * @param gate where the gate says that it lives; undefined for a stack that is not watched
 */
export const pushVariables = (
  { contact }: PushSettings,
  folder: string,
  gate: string | undefined,
): Readonly<Record<string, string>> => ({
  OMNIAI_PUSH_KEY_FILE: `${folder}/${KEY_FILE}`,
  OMNIAI_PUSH_CONTACT: contact,
  OMNIAI_PUSH_HOOK_SECRET_FILE: `${folder}/${HOOK_FILE}`,
  ...(gate === undefined ? {} : { OMNIAI_PUSH_GATE_URL: gate }),
});
