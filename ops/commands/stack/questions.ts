/** The questions for a new stack: the few keys that no default can know. A flag can answer each of them in advance. */
import { findProblems } from "../../../infra/config/problems.ts";
import { typedValue } from "../../../infra/config/values.ts";
import type { Values } from "../../stack/config-files.ts";
import type { KnownConfig } from "../../stack/settings.ts";

export interface Question {
  /** The key of Pulumi.yaml that the answer becomes. */
  readonly key: string;
  readonly flag: string;
  readonly ask: string;
  /** Makes a value of what was typed. An empty answer leaves the key out, so that its default holds. */
  readonly parse: (text: string) => unknown;
  /** Whether the question is asked, given the answers so far. Default: it is. */
  readonly when?: (answers: Values) => boolean;
  /** What is proposed, given the configs of the other stacks. */
  readonly propose?: (others: readonly KnownConfig[]) => string;
}

/** A port that no other stack of this project has. */
const freePort =
  (first: number) =>
  (others: readonly KnownConfig[]): string => {
    const taken = new Set(others.flatMap(({ httpPort, httpsPort }) => [httpPort, httpsPort]));
    let port = first;
    while (taken.has(port)) port += 1;
    return String(port);
  };

const isStrict = ({ environment }: Values): boolean => environment === "staging" || environment === "prod";
const hasTunnel = ({ tunnelEnabled }: Values): boolean => tunnelEnabled === true;
const yesOrNo = (text: string): unknown =>
  /^y(es)?$/i.test(text) ? true : /^no?$/i.test(text) ? false : text;

const list = (text: string): string[] =>
  text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");

export const QUESTIONS: readonly Question[] = [
  {
    key: "environment",
    flag: "environment",
    ask: "How strict its policies are (dev, staging, prod)",
    parse: (text) => text,
    propose: () => "dev",
  },
  {
    key: "hostMemory",
    flag: "host-memory",
    ask: "Memory of its Docker host in MiB",
    parse: Number,
    when: isStrict,
  },
  { key: "hostCpus", flag: "host-cpus", ask: "Cores of its Docker host", parse: Number, when: isStrict },
  {
    key: "dockerHost",
    flag: "docker-host",
    ask: "Docker engine to deploy to (ssh://user@host, unix:///…; empty: this machine's)",
    parse: (text) => text,
  },
  {
    key: "httpPort",
    flag: "http-port",
    ask: "Port of the edge for HTTP",
    parse: Number,
    propose: freePort(8080),
  },
  {
    key: "httpsPort",
    flag: "https-port",
    ask: "Port of the edge for HTTPS",
    parse: Number,
    propose: freePort(8443),
  },
  {
    key: "tunnelEnabled",
    flag: "tunnel",
    ask: "Reached through a Cloudflare tunnel instead of these ports (yes, no)",
    parse: yesOrNo,
    propose: () => "no",
  },
  {
    key: "tunnelHostnames",
    flag: "hostnames",
    ask: "Host names that lead to it, the page's first, with commas between (api.example.org)",
    parse: list,
    when: hasTunnel,
  },
  {
    key: "cloudflareZone",
    flag: "zone",
    ask: "The zone that they are in (example.org)",
    parse: (text) => text,
    when: hasTunnel,
  },
  {
    key: "cloudflareZoneId",
    flag: "zone-id",
    ask: "The zone's id, from its overview at Cloudflare",
    parse: (text) => text,
    when: hasTunnel,
  },
  {
    key: "cloudflareAccountId",
    flag: "account-id",
    ask: "The account's id, from the same page",
    parse: (text) => text,
    when: hasTunnel,
  },
  {
    key: "cloudflareManageZone",
    flag: "manage-zone",
    ask: "Whether this stack sets the zone's TLS and firewall, which only one stack of a zone may (yes, no)",
    parse: yesOrNo,
    propose: () => "yes",
    when: hasTunnel,
  },
  {
    key: "cloudflareAlertEmails",
    flag: "alert-emails",
    ask: "Who is written to when the tunnel is down, with commas between",
    parse: list,
    when: hasTunnel,
  },
  {
    key: "corsOrigins",
    flag: "origins",
    ask: "Origins of the pages that may call the API, with commas between (https://owner.github.io)",
    parse: list,
  },
  {
    key: "providers",
    flag: "providers",
    ask: "AI providers as NAME=BASE-URL, with commas between (openai=https://api.openai.com/v1)",
    parse: (text) =>
      list(text).map((item) => {
        const at = item.indexOf("=");
        return { name: item.slice(0, Math.max(at, 0)), baseUrl: item.slice(at + 1) };
      }),
  },
];

/** What is wrong with one answer; undefined when it is right. @param defaults those of Pulumi.yaml */
export function objection(key: string, value: unknown, defaults: Values): string | undefined {
  const { problems } = findProblems({ ...defaults, [key]: typedValue(key, value) });
  const problem = problems.find((one) => one.key === key);
  return problem && `allowed: ${problem.allowed}`;
}

/** Pure: a stack's file. JSON values are YAML too. */
export const renderStackFile = (name: string, config: Values): string =>
  `# ${name}: made by \`npm run stack -- init ${name}\`. Pulumi.yaml says what each key means; its default holds for every key that is not here.\n` +
  (Object.keys(config).length === 0
    ? "config: {}\n"
    : `config:\n${Object.entries(config)
        .map(([key, value]) => `  omniai:${key}: ${JSON.stringify(value)}\n`)
        .join("")}`);
