/** runtime-config.json: which stack this page belongs to. It is the only file that differs between stacks. */

/**
 * @typedef {object} RuntimeConfig
 * @property {string} stack the stack's name.
 * @property {string} apiBaseUrl the API's origin, without a slash at its end.
 * @property {number} heartbeatSeconds how often a quiet stream sends a heartbeat; default 15.
 */

/** @returns {Promise<RuntimeConfig>} */
export async function loadConfig() {
  // Never from a cache: after a deploy the page has to know the present stack.
  const response = await fetch("runtime-config.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`runtime-config.json answered ${response.status}.`);
  const raw = await response.json();
  if (typeof raw?.stack !== "string" || !URL.canParse(raw?.apiBaseUrl)) {
    throw new Error("runtime-config.json has no stack and apiBaseUrl.");
  }
  const heartbeatSeconds = Number(raw.heartbeatSeconds) > 0 ? Number(raw.heartbeatSeconds) : 15;
  return { stack: raw.stack, apiBaseUrl: new URL(raw.apiBaseUrl).origin, heartbeatSeconds };
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
