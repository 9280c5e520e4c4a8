/** What to do about what is not well, in the words of the runbook. */

/** @type {readonly [about: RegExp, todo: string][]} */
const ADVICE = [
  [
    /^postgres|database|migrations/,
    "npm run logs -- postgres shows why. Requests that need no database go on.",
  ],
  [/^redis persistence/, "The disk of the host may be full: docker system df, then npm run logs -- redis."],
  [
    /^redis|cache/,
    "npm run logs -- redis. Logins and events wait for it; nothing that was confirmed is lost.",
  ],
  [/^events|lag/, "A replica does not follow the log: npm run restart gives it a new start, one at a time."],
  [
    /^provider/,
    "The provider answers with an error or not at all. The circuit opens by itself and tries again.",
  ],
  [/^replica/, "A deploy is under way, or a replica stops. It should pass within a minute; npm run status."],
  [/^backup/, "npm run backup makes one now and proves it; npm run logs -- backup says what went wrong."],
  [/^certificate/, "omniai:certificateSerial one higher, then npm run up."],
  [/^tunnel/, "Does the host reach the internet? npm run logs -- cloudflared says what Cloudflare answers."],
  [/^memory/, "npm run status shows the limits. Raise backendMemory, or add a replica with backendReplicas."],
];

/**
 * @param {string} component as the health summary names it.
 * @returns {string} what a person does next.
 */
export const adviceFor = (component) =>
  ADVICE.find(([about]) => about.test(component.toLowerCase()))?.[1] ??
  "npm run health says more; docs/runbook.md has the way.";

/** @type {Readonly<Record<string, string>>} */
const FOR_CONNECTION = {
  offline: "Check this device's network. It connects by itself when there is one.",
  polling: "A proxy between here and the service holds streams back. Test everything says which kind.",
  loss: "The network loses requests: another one, or a cable, tells whether it is this one.",
  latency: "Far away, or a busy network. If other devices see it too, look at the service's own times.",
  jitter: "A busy or weak wireless network does this.",
  reconnects: "Deploys cause one each. More than that: a proxy that ends streams, or a weak network.",
  resets: "This page was away for longer than events are kept (eventRetention), or the log began anew.",
  connecting: "It goes on by itself.",
  clock: "Set this device's clock: logins and times depend on it.",
};

/** @param {string} code of a reason of the connection's quality. */
export const adviceForConnection = (code) => FOR_CONNECTION[code] ?? "";
