/** Requests to the API. They carry the credentials, and a problem in the answer becomes an error with its text. */

/** The service answered with an error. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} title
   * @param {number | undefined} retryAfterMs when to ask again, as the service says.
   */
  constructor(status, title, retryAfterMs) {
    super(title);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * @typedef {object} Credentials from the last login. They are only in memory, where no other page finds them.
 * @property {string} [accessToken]
 * @property {string} [refreshToken]
 * @property {string} [csrfToken]
 */

export class Api {
  /** @type {Credentials} */
  credentials = {};

  /** @param {string} baseUrl */
  constructor(baseUrl) {
    this.baseUrl = baseUrl;
  }

  /**
   * @param {string} path
   * @param {RequestInit & { headers?: Record<string, string> }} [options]
   * @returns {Promise<Response>} 2xx
   * @throws {ApiError} for another status, TypeError when there was no answer at all.
   */
  async request(path, options = {}) {
    const { accessToken, csrfToken } = this.credentials;
    /** @type {Record<string, string>} */
    const headers = { ...options.headers };
    if (accessToken) headers["authorization"] = `Bearer ${accessToken}`;
    else if (csrfToken && options.method && options.method !== "GET") headers["x-csrf-token"] = csrfToken;
    const response = await fetch(this.baseUrl + path, {
      cache: "no-store",
      // A bearer token is enough; a cookie beside it would only need protection.
      credentials: accessToken ? "omit" : "include",
      ...options,
      headers,
    });
    if (response.ok) return response;
    throw await toError(response);
  }

  /**
   * @param {string} path
   * @param {number} [timeoutMs]
   * @returns {Promise<any>}
   */
  async get(path, timeoutMs = 10_000) {
    return (await this.request(path, { signal: AbortSignal.timeout(timeoutMs) })).json();
  }

  /**
   * @param {string} path
   * @param {unknown} body
   * @param {Record<string, string>} [headers]
   * @param {boolean} [keepalive] true lets the request outlive the page.
   * @returns {Promise<any>}
   */
  async post(path, body, headers = {}, keepalive = false) {
    const response = await this.request(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      keepalive,
      signal: keepalive ? null : AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    return text === "" ? undefined : JSON.parse(text);
  }
}

/** @param {Response} response */
async function toError(response) {
  const problem = await response.json().catch(() => ({}));
  const seconds = Number(response.headers.get("retry-after"));
  return new ApiError(
    response.status,
    String(problem.detail ?? problem.title ?? `The service answered ${response.status}.`),
    seconds > 0 ? seconds * 1000 : undefined,
  );
}
