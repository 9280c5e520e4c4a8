/** Who is told of alerts: what may be configured, and the configuration of Alertmanager that follows. */
import { z } from "zod";
import type { ConfigProblem } from "../../config/keys.ts";
import { secret, type Loaded } from "../../config/secrets.ts";
import { PUSH_GATE_URL, PUSH_SECONDS } from "./push-gate.ts";
import { watchdogTimes, WATCHDOG_SECONDS, type Watchdog } from "./dead-man.ts";

export const KINDS = ["webhook", "email", "slack", "discord", "telegram", "ntfy"] as const;

const receiver = z.strictObject({
  kind: z.enum(KINDS),
  /**
   * What nobody else may know: the address that is written to (webhook, slack, discord, ntfy), the password of `username`
   * (email), the bot's token (telegram).
   */
  secret: secret(z.string().regex(/^\S+$/)).optional(),
  /** email: who is written to. */
  to: z
    .string()
    .regex(/^\S+@\S+$/)
    .optional(),
  /** email: who writes. */
  from: z
    .string()
    .regex(/^\S+@\S+$/)
    .optional(),
  /** email: the server as host:port. */
  server: z
    .string()
    .regex(/^[A-Za-z0-9.-]+:[0-9]{1,5}$/)
    .optional(),
  /** email: who logs in at the server; default: nobody. */
  username: z.string().min(1).optional(),
  /** telegram: the chat's number. */
  chat: z.number().int().optional(),
});

/** One receiver as the config has it. */
export type Receiver = z.infer<typeof receiver>;

export const receivers = z
  .array(receiver)
  .max(20)
  .describe(
    'a list of at most 20 {"kind": one of ' +
      `${KINDS.join(", ")}, "secret"}, for email with to, from, server and perhaps username, for telegram with chat`,
  );

/** What a kind needs, and whether its secret may be left out. */
const needsOf: Readonly<Record<Receiver["kind"], readonly (keyof Receiver)[]>> = {
  webhook: ["secret"],
  slack: ["secret"],
  discord: ["secret"],
  ntfy: ["secret"],
  telegram: ["secret", "chat"],
  email: ["to", "from", "server"],
};
const mayHave: Readonly<Partial<Record<Receiver["kind"], readonly (keyof Receiver)[]>>> = {
  email: ["secret", "username"],
};

/** Receivers that lack something, or have what their kind has no use for. */
export function receiverProblems(config: { readonly alertReceivers: readonly Receiver[] }): ConfigProblem[] {
  return config.alertReceivers.flatMap((one, index) => {
    const needs = needsOf[one.kind];
    const present = (Object.keys(one) as (keyof Receiver)[]).filter((key) => one[key] !== undefined);
    const missing = needs.filter((key) => !present.includes(key));
    const foreign = present.filter(
      (key) => key !== "kind" && !needs.includes(key) && !mayHave[one.kind]?.includes(key),
    );
    const pair = one.kind === "email" && (one.username === undefined) !== (one.secret === undefined);
    const said = [
      ...missing.map((key) => `with ${key}`),
      ...foreign.map((key) => `without ${key}`),
      ...(pair ? ["with both username and secret, or neither"] : []),
    ];
    return said.map((what) => ({
      key: "alertReceivers",
      path: [String(index)],
      value: one.kind,
      allowed: `a receiver of the kind ${one.kind} ${what}`,
    }));
  });
}

/** Where the secrets lie in Alertmanager's container. */
export const SECRETS = "/run/secrets";
export const secretFile = (index: number): string => `receiver-${index + 1}`;
export const WATCHDOG_FILE = "watchdog-url";
export const PUSH_FILE = "push-hook-secret";

/** The receiver that pushes alerts to the browsers of users. */
export const PUSH_RECEIVER = "receiver-webpush";
/** A phone shows five; the rest is counted. */
const PUSHED_ALERTS = 20;

/** How long one delivery may take; after that it is tried again. */
const TIMEOUT = "10s";

/** The service pushes them, and goes on by itself with devices that they do not reach at once. */
const pushReceiver = {
  name: PUSH_RECEIVER,
  webhook_configs: [
    {
      url: PUSH_GATE_URL,
      http_config: { authorization: { type: "Bearer", credentials_file: `${SECRETS}/${PUSH_FILE}` } },
      send_resolved: true,
      max_alerts: PUSHED_ALERTS,
      timeout: `${PUSH_SECONDS}s`,
    },
  ],
};

/** One receiver's part of the configuration. */
function renderReceiver(one: Loaded<Receiver>, index: number): Record<string, unknown> {
  const file = `${SECRETS}/${secretFile(index)}`;
  const common = { send_resolved: true };
  const title = '{{ template "omniai.title" . }}';
  const text = '{{ template "omniai.text" . }}';
  switch (one.kind) {
    case "webhook":
      return { webhook_configs: [{ ...common, url_file: file, timeout: TIMEOUT }] };
    // ntfy reads Alertmanager's own format where the address asks for its template.
    case "ntfy":
      return { webhook_configs: [{ ...common, url_file: file, timeout: TIMEOUT }] };
    case "slack":
      return { slack_configs: [{ ...common, api_url_file: file, title, text }] };
    case "discord":
      return { discord_configs: [{ ...common, webhook_url_file: file, title, message: text }] };
    case "telegram":
      return {
        telegram_configs: [
          {
            ...common,
            bot_token_file: file,
            chat_id: one.chat,
            message: `${title}\n${text}`,
            parse_mode: "",
          },
        ],
      };
    case "email":
      return {
        email_configs: [
          {
            ...common,
            to: one.to,
            from: one.from,
            smarthost: one.server,
            headers: { Subject: title },
            text,
            html: "",
            ...(one.username === undefined ? {} : { auth_username: one.username, auth_password_file: file }),
          },
        ],
      };
  }
}

/**
 * Pure: alertmanager.yml (JSON, which is YAML). Alerts of one kind come together; while the host or the whole monitoring
 * is in trouble, what follows from that is not sent as well.
 */
export function renderAlertmanager(
  list: readonly Loaded<Receiver>[],
  { watchdog, isPushed = false }: { readonly watchdog: Watchdog | undefined; readonly isPushed?: boolean },
): string {
  const names = list.map((_, index) => `receiver-${index + 1}`);
  const routes = [
    {
      matchers: ['alertname="Watchdog"'],
      receiver: watchdog ? "watchdog" : "nobody",
      group_wait: "0s",
      ...watchdogTimes(watchdog?.seconds ?? WATCHDOG_SECONDS),
    },
    ...[...names, ...(isPushed ? [PUSH_RECEIVER] : [])].map((receiver) => ({ receiver, continue: true })),
  ];
  const config = {
    route: {
      receiver: "nobody",
      group_by: ["alertname", "test"],
      group_wait: "5s",
      group_interval: "1m",
      repeat_interval: "4h",
      routes,
    },
    inhibit_rules: [
      // What a store that is away explains, as long as it is away. A budget that is burnt then is told afterwards.
      {
        source_matchers: ['alertname=~"ContainerDown|ContainerPaused"', 'workload="postgres"'],
        target_matchers: [
          'alertname=~"PostgresAway|ReadinessFailing|ErrorBudgetBurn|LatencyBudgetBurn|EventLogLag"',
        ],
      },
      {
        source_matchers: ['alertname=~"ContainerDown|ContainerPaused"', 'workload="redis"'],
        target_matchers: [
          'alertname=~"RedisAway|ReadinessFailing|ErrorBudgetBurn|LatencyBudgetBurn|EventLogLag"',
        ],
      },
      // A restart that something else explains, or one of many. Its reasons last longer than it, so that it is not told after them.
      {
        source_matchers: ['alertname=~"ContainerRestarting|ContainerOutOfMemory|FatalLogged|NoSpaceLeft"'],
        target_matchers: ['alertname="ContainerRestarted"'],
        equal: ["container"],
      },
      // A replica whose container is down or paused does not answer either: one alert is enough.
      {
        source_matchers: ['alertname=~"ContainerDown|ContainerPaused"', 'workload="backend"'],
        target_matchers: ['alertname="ReplicaDown"'],
        equal: ["container"],
      },
      {
        source_matchers: ['alertname=~"ContainerDown|ContainerPaused|ReplicaDown"', 'workload="backend"'],
        target_matchers: ['alertname="TooFewReplicas"'],
      },
      // The stronger of two words about the same.
      {
        source_matchers: ['severity="critical"'],
        target_matchers: ['severity="warning"'],
        equal: ["alertname", "workload", "container"],
      },
    ],
    receivers: [
      { name: "nobody" },
      ...(watchdog
        ? [
            {
              name: "watchdog",
              webhook_configs: [
                { url_file: `${SECRETS}/${WATCHDOG_FILE}`, send_resolved: false, timeout: TIMEOUT },
              ],
            },
          ]
        : []),
      ...list.map((one, index) => ({ name: names[index], ...renderReceiver(one, index) })),
      ...(isPushed ? [pushReceiver] : []),
    ],
    templates: [`${SECRETS}/*.tmpl`],
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/** How a message to a person reads; the same in every channel. */
export const TEMPLATES = `{{ define "omniai.title" -}}
{{ if eq .Status "firing" }}{{ .CommonLabels.severity }}: {{ else }}over: {{ end }}{{ .CommonLabels.alertname }} ({{ .CommonLabels.stack }})
{{- end }}
{{ define "omniai.text" -}}
{{ range .Alerts -}}
{{ .Annotations.summary }}
{{ .Annotations.description }}
Since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05" }} UTC{{ if eq .Status "resolved" }} until {{ .EndsAt.UTC.Format "15:04:05" }}{{ end }}. {{ .Annotations.runbook }}

{{ end -}}
{{- end }}
`;
