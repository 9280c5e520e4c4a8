/** runtime-config.json: which stack this page belongs to. It is the only file that differs between stacks. */

/**
 * As runtime-config.schema.json has it, with the defaults in place.
 * @typedef {object} RuntimeConfig
 * @property {string} stack the stack's name.
 * @property {string} apiBaseUrl the API's origin, without a slash at its end.
 * @property {string | undefined} pageVersion the version of the page that was published with the file.
 * @property {"none" | "session" | "token" | "both" | undefined} authMode how people sign in; undefined: the service is asked.
 * @property {number} heartbeatSeconds how often a quiet stream sends a heartbeat.
 * @property {number} measureSeconds how often a visible page asks and measures.
 * @property {number} pollSeconds the longest that one poll waits for an event, in whole seconds.
 * @property {boolean} shareTabs
 * @property {readonly string[] | undefined} topics
 * @property {boolean} webPush whether the service pushes alerts to browsers that ask for them.
 * @property {Readonly<Record<"diagnostics" | "offline" | "public" | "publish" | "reports" | "stream", boolean>>} features
 */

/** The page does not know its service. It says so, and what to do. */
export class ConfigError extends Error {
  /**
   * @param {string} message what is wrong.
   * @param {string} todo what to do.
   */
  constructor(message, todo) {
    super(message);
    this.name = "ConfigError";
    this.todo = todo;
  }
}

const PUBLISH = "Publish the page again: npm run up, or npm run pages -- build where a workflow does.";
const ORIGIN = /^(\/|https?:\/\/[^/?#\s@]+)$/;
const TOPIC = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?$/;

/** What a page can go without; it has all of them unless its config says otherwise. */
const FEATURES = ["diagnostics", "offline", "public", "publish", "reports", "stream"];

/** @type {Readonly<Record<string, (value: any) => boolean>>} */
const MEMBERS = {
  stack: (value) => typeof value === "string" && value.length >= 1 && value.length <= 100,
  apiBaseUrl: (value) => typeof value === "string" && ORIGIN.test(value),
  pageVersion: (value) => typeof value === "string" && /^[0-9a-z]{1,64}$/.test(value),
  authMode: (value) => ["none", "session", "token", "both"].includes(value),
  heartbeatSeconds: (value) => isNumber(value) && value > 0 && value <= 300,
  measureSeconds: (value) => isNumber(value) && value >= 1 && value <= 3600,
  pollSeconds: (value) => Number.isInteger(value) && value >= 1 && value <= 25,
  shareTabs: (value) => typeof value === "boolean",
  webPush: (value) => typeof value === "boolean",
  topics: (value) =>
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= 16 &&
    value.every((topic) => typeof topic === "string" && TOPIC.test(topic)),
  features: (value) =>
    isObject(value) &&
    FEATURES.every((name) => value[name] === undefined || typeof value[name] === "boolean"),
};

const isNumber = (/** @type {any} */ value) => typeof value === "number" && Number.isFinite(value);
const isObject = (/** @type {any} */ value) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The same as runtime-config.schema.json says: a test compares the two.
 * @param {any} raw
 * @returns {string[]} the members that are missing or not valid. Unknown ones are for newer pages.
 */
export function problemsOf(raw) {
  if (!isObject(raw)) return ["(the whole file)"];
  const missing = ["stack", "apiBaseUrl"].filter((name) => !Object.hasOwn(raw, name));
  const wrong = Object.keys(raw).filter(
    (name) => Object.hasOwn(MEMBERS, name) && !MEMBERS[name]?.(raw[name]),
  );
  return [...missing, ...wrong];
}

/**
 * @param {string | undefined} [origin] the page's own.
 * @returns {Promise<RuntimeConfig>}
 * @throws {ConfigError}
 */
export async function loadConfig(origin = globalThis.location?.origin) {
  const raw = await readConfig();
  const problems = problemsOf(raw);
  if (problems.length > 0)
    throw new ConfigError(`runtime-config.json is not valid: ${problems.join(", ")}.`, PUBLISH);
  const { apiBaseUrl } = raw;
  if (!URL.canParse(apiBaseUrl, origin))
    throw new ConfigError(`runtime-config.json names no API: ${apiBaseUrl}.`, PUBLISH);
  return {
    heartbeatSeconds: 15,
    measureSeconds: 10,
    pollSeconds: 25,
    authMode: undefined,
    shareTabs: true,
    webPush: false,
    topics: undefined,
    pageVersion: undefined,
    ...raw,
    features: { ...Object.fromEntries(FEATURES.map((name) => [name, true])), ...raw.features },
    apiBaseUrl: new URL(apiBaseUrl, origin).origin,
  };
}

/** @returns {Promise<any>} */
async function readConfig() {
  /** @type {Response} */
  let response;
  try {
    // Never from the browser's cache: after a deploy the page has to know the present stack.
    response = await fetch("runtime-config.json", { cache: "no-store" });
  } catch {
    throw new ConfigError(
      "This page's own server does not answer, and nothing is kept from an earlier visit.",
      "Check this device's network, then open the page again.",
    );
  }
  if (response.status === 404)
    throw new ConfigError(
      "runtime-config.json is not there, so this page does not know its service.",
      PUBLISH,
    );
  if (!response.ok) throw new ConfigError(`runtime-config.json answers ${response.status}.`, PUBLISH);
  try {
    return await response.json();
  } catch {
    const isHtml = response.headers.get("content-type")?.includes("html");
    if (isHtml)
      throw new ConfigError(
        "Something else answers in the place of runtime-config.json.",
        "A network that wants a sign-in does this: open any other page first. Else the page's server sends its own page for files that it lacks.",
      );
    throw new ConfigError("runtime-config.json is no JSON.", PUBLISH);
  }
}

/**
 * From here on the page may talk to its own API and to nobody else. index.html cannot know the API's origin, and GitHub
 * Pages cannot set headers, so this is a second policy, which can only narrow the first (CSP 3, "multiple policies").
 * @param {string} apiBaseUrl
 */
export function restrictConnections(apiBaseUrl) {
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = `connect-src 'self' ${apiBaseUrl}`;
  document.head.append(policy);
}
