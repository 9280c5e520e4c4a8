/**
 * Rule external-tls. The stack's own servers are on a network that nothing else is on and that leads nowhere; every other
 * one is reached through networks of strangers, and TLS that does not check the certificate tells the password to whoever
 * answers. The config refuses such an address already; this rule looks at what is declared, whatever it came from.
 */
import {
  COMMAND,
  CONTAINER,
  ifKnown,
  resourceRule,
  SERVICE,
  type CommandProps,
  type ContainerProps,
  type ServiceProps,
} from "../rule.ts";

/** The host names of the stack's own servers on its data network (infra/components). */
const ownHosts = { postgres: "postgres", redis: "redis" } as const;

/** What libpq and its like take for TLS that is not checked, in a variable or an address. */
const unchecked = /\bsslmode=(disable|allow|prefer|require|verify-ca|no-verify)\b/i;

function* variablesOf({ envs }: ContainerProps): Iterable<readonly [string, string]> {
  for (const variable of envs ?? []) {
    const at = variable.indexOf("=");
    yield [variable.slice(0, at), variable.slice(at + 1)];
  }
}

function* judge(given: ReadonlyMap<string, string>): Iterable<string> {
  const host = given.get("PGHOST");
  if (host !== undefined && host !== ownHosts.postgres && given.get("PGSSLMODE") !== "verify-full")
    yield `it connects to PostgreSQL at ${host} with PGSSLMODE ${given.get("PGSSLMODE") ?? "not set"}.`;
  const url = given.get("OMNIAI_REDIS_URL");
  if (url !== undefined && !isOwnRedis(url) && !url.startsWith("rediss://"))
    yield "it connects to a Redis that is not the stack's own without TLS.";
  for (const [name, value] of given) {
    if (unchecked.test(value)) yield `the variable ${name} asks for TLS that is not checked, or for none.`;
    // Node checks no certificate at all then, for nobody.
    if (name === "NODE_TLS_REJECT_UNAUTHORIZED" && value === "0")
      yield "NODE_TLS_REJECT_UNAUTHORIZED=0 checks no certificate.";
  }
}

const isOwnRedis = (url: string): boolean => URL.canParse(url) && new URL(url).hostname === ownHosts.redis;

type Props = ContainerProps & CommandProps & ServiceProps;

function* givenTo(type: string, props: Props): Iterable<readonly [string, string]> {
  if (type === CONTAINER) {
    yield* variablesOf(props);
    return;
  }
  const variables = (type === SERVICE ? props.taskSpec.containerSpec.env : props.environment) ?? {};
  for (const name of Object.keys(variables)) {
    const value = ifKnown(() => variables[name]);
    if (value !== undefined) yield [name, value];
  }
}

export const externalTls = resourceRule<Props>([CONTAINER, COMMAND, SERVICE], {
  name: "external-tls",
  title:
    "A PostgreSQL or a Redis that is not the stack's own is reached by TLS whose certificate is checked: " +
    "sslmode=verify-full, rediss.",
  source: "OWASP ASVS 12.3; CWE-295",
  remedy:
    "Write the address as docs/external-databases.md has it; a private authority goes into databaseAuthority or redisAuthority.",
  *check({ type, props }) {
    yield* judge(new Map(givenTo(type, props)));
  },
});
