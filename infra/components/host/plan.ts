/** The steps that make a bare Debian or Ubuntu a host for the stack: pure, so that a test can run them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** In their order. The firewall comes last, when everything that needs the network is installed. */
export const STEPS = ["engine", "logs", "updates", "time", "reader", "firewall"] as const;
export type Step = (typeof STEPS)[number];

export interface HostSettings {
  /** Who logs in; a user other than root needs sudo without a password, and may use the engine afterwards. */
  readonly user: string;
  /** The port of SSH. */
  readonly sshPort: number;
  /** TCP ports that stay open beside SSH. */
  readonly openPorts: readonly number[];
  /** Whether visitors come by IPv6, whose addresses the engine then has to translate; default: no. */
  readonly ipv6?: boolean;
  /** For a node of a swarm: the addresses of the other nodes, which alone reach what a swarm listens on. */
  readonly swarm?: { readonly nodes: readonly string[] };
}

const readFile = (name: string): string => readFileSync(join(import.meta.dirname, "steps", name), "utf8");
/** A line `@FILE@` stands for that file. */
const read = (name: string): string =>
  readFile(`${name}.sh`).replaceAll(/^@([\w.-]+)@\n/gm, (_, file: string) => readFile(file));
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * One step as a whole shell script: the settings, what the steps share, and the step itself. sshd refuses variables that
 * it was not configured to accept, so the settings are written at the beginning.
 */
export function renderStep(step: Step, settings: HostSettings): string {
  const variables: Readonly<Record<string, string>> = {
    HOST_USER: settings.user,
    SSH_PORT: String(settings.sshPort),
    OPEN_PORTS: [...settings.openPorts].sort((left, right) => left - right).join(" "),
    ...(settings.ipv6 === true ? { HOST_IPV6: "yes" } : {}),
    ...(settings.swarm === undefined
      ? {}
      : { HOST_IS_NODE: "yes", HOST_NODES: [...settings.swarm.nodes].sort().join(" ") }),
  };
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${quoted(value)}`);
  return `${lines.join("\n")}\n${read("common")}\n${read(step)}\nfinish\n`;
}

/** Reads the script from standard input, as root. */
export const runAs = (user: string): string => (user === "root" ? "sh -s" : "sudo -n sh -s");
