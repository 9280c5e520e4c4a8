/** The host's config keys: what they contradict, and what they become. */
import * as pulumi from "@pulumi/pulumi";
import type { ConfigProblem, StackConfig } from "../../config/schema.ts";
import type { HostArgs } from "./host.ts";

/** The machine that an ssh:// address names; undefined for any other address. */
const sshHost = (dockerHost: string): string | undefined =>
  dockerHost.startsWith("ssh://") && URL.canParse(dockerHost)
    ? new URL(dockerHost).hostname.replace(/^\[|\]$/g, "")
    : undefined;

/** With hostPrepare: an address and a key to know it by, and one machine, not two. */
export function hostProblems(config: StackConfig): ConfigProblem[] {
  if (!config.hostPrepare) return [];
  const problems: ConfigProblem[] = [];
  const { hostAddress, hostKey, dockerHost } = config;
  if (hostAddress === "")
    problems.push({
      key: "hostAddress",
      value: "",
      allowed: "an address, because omniai:hostPrepare is true",
    });
  if (hostKey === "")
    problems.push({
      key: "hostKey",
      value: "",
      allowed:
        "the machine's public host key, because omniai:hostPrepare is true: nothing is run on a machine that is not known",
    });
  if (sshHost(dockerHost) !== hostAddress)
    problems.push({
      key: "dockerHost",
      value: dockerHost,
      allowed: `ssh://USER@${hostAddress || "HOST"}, the machine that omniai:hostPrepare prepares`,
    });
  return problems;
}

type HostKeys = Extract<keyof StackConfig, `host${string}`>;

export const hostArgs = (config: Pick<StackConfig, HostKeys>): HostArgs => ({
  address: config.hostAddress,
  sshPort: config.hostPort,
  user: config.hostUser,
  hostKey: config.hostKey,
  privateKey: config.hostPrivateKey === "" ? undefined : pulumi.secret(config.hostPrivateKey),
  openPorts: config.hostOpenPorts,
});
