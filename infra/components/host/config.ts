/** The host's config keys: what each may be, what they contradict, and what they become. */
import { z } from "zod";
import { flag, port, type ConfigProblem, type Values } from "../../config/keys.ts";
import { secret, type Loaded } from "../../config/secrets.ts";
import type { HostArgs } from "./host.ts";

/** What SSH takes where no port is named. */
const SSH_PORT = 22;

/** The parts of an ssh:// address; undefined for any other address. */
function sshParts(dockerHost: string): { host: string; user: string; port: string } | undefined {
  if (!dockerHost.startsWith("ssh://") || !URL.canParse(dockerHost)) return undefined;
  const { hostname, username, port: sshPort } = new URL(dockerHost);
  return { host: hostname.replace(/^\[|\]$/g, ""), user: decodeURIComponent(username), port: sshPort };
}

const hasPassword = (address: string): boolean => URL.canParse(address) && new URL(address).password !== "";

export const hostKeys = {
  dockerHost: z
    .string()
    .regex(/^$|^(unix|tcp|ssh|npipe):\/\/.+/)
    .refine((address) => !hasPassword(address))
    .describe(
      "empty, or an address as DOCKER_HOST has it, for example unix:///var/run/docker.sock, without a password",
    ),
  hostPrepare: flag,
  hostAddress: z
    .string()
    .regex(/^([A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?)?$/)
    .describe("a DNS name or IP address"),
  hostPort: port,
  hostUser: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
    .describe("a user's name on the host"),
  hostKey: z
    .string()
    .regex(/^((ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+=*( .*)?)?$/)
    .describe("one line of the host's /etc/ssh/ssh_host_*_key.pub"),
  hostPrivateKey: secret(
    z
      .string()
      .regex(/^(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+)?$/)
      .describe("a private key in PEM form; empty means the SSH agent"),
  ),
  hostOpenPorts: z.array(port).describe("a list of ports from 1 to 65535"),
};

/**
 * Which machine it is and how it is reached. What a stack's config said of that at another time may not hold any more: a
 * user or a key may have gone. Not the ports that stay open, which go with those that the stack publishes.
 */
export const HOST_ACCESS_KEYS: readonly string[] = Object.keys(hostKeys).filter(
  (key) => key !== "hostOpenPorts",
);

export type HostConfig = Values<typeof hostKeys>;

/** With hostPrepare: an address, a key to know the machine by, and one machine, user and port instead of two. */
export function hostProblems(config: Omit<HostConfig, "hostPrivateKey">): ConfigProblem[] {
  if (!config.hostPrepare) return [];
  const problems: ConfigProblem[] = [];
  const refuse = (key: keyof typeof config, allowed: string): void => {
    problems.push({ key, value: config[key], allowed });
  };
  const { hostAddress, hostKey, dockerHost, hostUser, hostPort } = config;
  if (hostAddress === "") refuse("hostAddress", "an address, because omniai:hostPrepare is true");
  if (hostKey === "") {
    refuse(
      "hostKey",
      "the machine's public host key, because omniai:hostPrepare is true: nothing is run on an unknown machine",
    );
  }
  const ssh = sshParts(dockerHost);
  if (ssh?.host !== hostAddress) {
    const address = `ssh://USER@${hostAddress || "HOST"}`;
    refuse("dockerHost", `${address}, the machine that omniai:hostPrepare prepares`);
    return problems;
  }
  if (ssh.user !== "" && ssh.user !== hostUser) {
    refuse(
      "hostUser",
      `${ssh.user}, the user in omniai:dockerHost, because only the user who prepares the machine may use its engine`,
    );
  }
  if (ssh.port !== "" && ssh.port !== String(hostPort)) {
    refuse("hostPort", `${ssh.port}, the port in omniai:dockerHost, because one machine has one SSH port`);
  }
  // What is left out comes from ~/.ssh/config, or is the caller's own name and port 22: another one on every machine.
  if (ssh.user === "" || (ssh.port === "" && hostPort !== SSH_PORT)) {
    const port = hostPort === SSH_PORT ? ssh.port : hostPort;
    refuse(
      "dockerHost",
      `ssh://${ssh.user || hostUser}@${hostAddress}${port === "" ? "" : `:${port}`}, with the user and the port of omniai:hostUser and omniai:hostPort: what is left out is taken from the machine that deploys, and a runner has another`,
    );
  }
  return problems;
}

export const hostArgs = (config: Loaded<HostConfig>, ipv6: boolean): HostArgs => ({
  address: config.hostAddress,
  sshPort: config.hostPort,
  user: config.hostUser,
  hostKey: config.hostKey,
  privateKey: config.hostPrivateKey,
  openPorts: config.hostOpenPorts,
  ipv6,
});
