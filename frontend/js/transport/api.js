/** Requests to the API. They carry the credentials, and a problem in the answer becomes an error with its text. */

/** The service answered with an error. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} title
   * @param {number | undefined} retryAfterMs when to ask again, as the service says.
   * @param {string} [type] the problem's name, for example "csrf-token-invalid" (RFC 9457).
   */
  constructor(status, title, retryAfterMs, type = "") {
    super(title);
    this.name = "ApiError";
    this.type = type;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** @typedef {RequestInit & { headers?: Record<string, string>, isTrial?: boolean }} RequestOptions isTrial: a failure is what it is to find out, and no failure of the page. */

/**
 * @typedef {object} Credentials from the last login. They are only in memory, but not for this page alone: its tabs hand them to
 *   each other, so any page of the same origin can ask for them.
 * @property {string} [accessToken]
 * @property {string} [refreshToken]
 * @property {string} [csrfToken]
 */

export class Api {
  /** @type {Credentials} */
  credentials = {};

  /**
   * Gets a new CSRF token, after which a request that was refused for lack of one is sent once more.
   * @type {(() => Promise<unknown>) | undefined}
   */
  renewCsrf;

  /**
   * Called for each request that fails: with an error for an answer, or with none in its time. Not for one that was given up.
   * @type {((failure: { method: string, path: string, status: number | undefined }) => void) | undefined} path: without the query.
   */
  onFailure;

  /** @param {string} baseUrl the API's origin, without a slash at its end. */
  constructor(baseUrl) {
    this.baseUrl = baseUrl;
  }

  /**
   * @param {string} path
   * @param {RequestOptions} [options]
   * @returns {Promise<Response>} 2xx
   * @throws {ApiError} for another status, TypeError when there was no answer at all.
   */
  async request(path, options = {}) {
    try {
      return await this.#once(path, options);
    } catch (error) {
      const isCsrf = error instanceof ApiError && error.type === "csrf-token-invalid";
      if (!isCsrf || !this.renewCsrf) throw error;
      await this.renewCsrf();
      return this.#once(path, options);
    }
  }

  /**
   * @param {string} path
   * @param {RequestOptions} options
   */
  async #once(path, options) {
    const { accessToken, csrfToken } = this.credentials;
    /** @type {Record<string, string>} */
    const headers = { ...options.headers };
    if (accessToken) headers["authorization"] = `Bearer ${accessToken}`;
    else if (csrfToken && options.method && options.method !== "GET") headers["x-csrf-token"] = csrfToken;
    /** @type {Response} */
    let response;
    try {
      response = await fetch(this.baseUrl + path, {
        cache: "no-store",
        // A bearer token is enough; a cookie beside it would only need protection.
        credentials: accessToken ? "omit" : "include",
        ...options,
        headers,
      });
    } catch (error) {
      if (!isGivenUp(options.signal)) this.#failed(path, options, undefined);
      throw error;
    }
    if (response.ok) return response;
    this.#failed(path, options, response.status);
    throw await toError(response);
  }

  /**
   * @param {string} path
   * @param {RequestOptions} options
   * @param {number | undefined} status
   */
  #failed(path, { method = "GET", isTrial = false }, status) {
    if (!isTrial) this.onFailure?.({ method, path: path.split("?")[0] ?? "", status });
  }

  /**
   * @param {string} path
   * @param {number} [timeoutMs]
   * @returns {Promise<any>}
   */
  async get(path, timeoutMs = 10_000) {
    return jsonOf(await this.request(path, { signal: AbortSignal.timeout(timeoutMs) }));
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

/** Whether somebody ended it, and not the time. @param {AbortSignal | null | undefined} signal */
const isGivenUp = (signal) => signal?.aborted === true && signal.reason?.name !== "TimeoutError";

/**
 * @param {Response} response
 * @throws {NotOurs} when something else answered.
 */
export function jsonOf(response) {
  if (!/^application\/([\w.+-]+\+)?json\b/.test(response.headers.get("content-type") ?? ""))
    throw new NotOurs(response);
  return response.json();
}

/** Something between the page and the service answered in its place: a captive portal, or a proxy's error page. */
export class NotOurs extends Error {
  /** @param {Response} response */
  constructor(response) {
    const type = response.headers.get("content-type") ?? "no type";
    super(`something else answers in the place of the service (${type}); a network may want a sign-in first`);
    this.name = "NotOurs";
    void response.body?.cancel().catch(() => undefined);
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
    String(problem.type ?? "")
      .split(":")
      .at(-1),
  );
}
