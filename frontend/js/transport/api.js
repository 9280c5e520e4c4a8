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

/**
 * @typedef {object} OwnOptions
 * @property {Record<string, string>} [headers]
 * @property {RegExp} [type] of the answer's content: an answer of another one is not the service's.
 * @property {readonly number[]} [expected] statuses that are no failure of the page, whatever they are for who asks.
 * @property {boolean} [isTrial] a failure is what it is to find out, and no failure of the page.
 */

/** @typedef {Omit<RequestInit, "headers"> & OwnOptions} RequestOptions */

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
   * Called for each request that fails for good: with an error for an answer, with an answer of something else, with a part of one, or
   * with none in its time. Not for one that was given up, and not for a missing login (401), which is renewed, or asked for.
   * @type {((failure: { method: string, path: string, what: string }) => void) | undefined} path: without the query; what: the status,
   *   or what went wrong in words.
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
   * @throws {ApiError} for another status, NotOurs for an answer of another type, TypeError when there was no answer at all.
   */
  request(path, options = {}) {
    return this.#told(path, options, () => this.#twice(path, options));
  }

  /**
   * @param {string} path
   * @param {RequestOptions} [options]
   * @returns {Promise<any>} what the JSON says; undefined for an empty answer.
   * @throws as request(), and where not all of the answer arrived.
   */
  json(path, options = {}) {
    return this.#told(path, options, async () => {
      const response = await this.#twice(path, { type: JSON_TYPE, ...options });
      const text = await response.text();
      return text === "" ? undefined : JSON.parse(text);
    });
  }

  /**
   * Tells of the failure.
   * @template T
   * @param {string} path
   * @param {RequestOptions} options
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #told(path, { method = "GET", signal, expected = [], isTrial = false }, work) {
    try {
      return await work();
    } catch (error) {
      const isExpected = error instanceof ApiError && [401, ...expected].includes(error.status);
      if (!isTrial && !isExpected && !isGivenUp(signal))
        this.onFailure?.({ method, path: path.split("?")[0] ?? "", what: whatOf(error) });
      throw error;
    }
  }

  /**
   * Once more, where the service refuses the CSRF token and gives another one.
   * @param {string} path
   * @param {RequestOptions} options
   */
  async #twice(path, options) {
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
    const response = await fetch(this.baseUrl + path, {
      cache: "no-store",
      // A bearer token is enough; a cookie beside it would only need protection.
      credentials: accessToken ? "omit" : "include",
      ...options,
      headers,
    });
    if (!response.ok) throw await toError(response);
    // An answer without a content has no type of it.
    const isOurs = response.status === 204 || !options.type || options.type.test(typeOf(response));
    if (!isOurs) throw new NotOurs(response);
    return response;
  }

  /**
   * @param {string} path
   * @param {RequestOptions} [options]
   * @returns {Promise<any>}
   */
  get(path, options = {}) {
    return this.json(path, { signal: AbortSignal.timeout(10_000), ...options });
  }

  /**
   * @param {string} path
   * @param {unknown} body
   * @param {RequestOptions} [options] keepalive: true lets the request outlive the page.
   * @returns {Promise<any>}
   */
  post(path, body, options = {}) {
    return this.json(path, {
      method: "POST",
      body: JSON.stringify(body),
      signal: options.keepalive ? null : AbortSignal.timeout(10_000),
      ...options,
      headers: { "content-type": "application/json", ...options.headers },
    });
  }
}

const JSON_TYPE = /^application\/([\w.+-]+\+)?json\b/;

/** @param {Response} response */
const typeOf = (response) => response.headers.get("content-type") ?? "no type";

/** @param {unknown} error */
function whatOf(error) {
  if (error instanceof ApiError) return String(error.status);
  if (error instanceof NotOurs) return "something else answers";
  return error instanceof SyntaxError ? "a part of an answer" : "no answer";
}

/** Whether somebody ended it, and not the time. @param {AbortSignal | null | undefined} signal */
const isGivenUp = (signal) => signal?.aborted === true && signal.reason?.name !== "TimeoutError";

/** Something between the page and the service answered in its place: a captive portal, or a proxy's error page. */
export class NotOurs extends Error {
  /** @param {Response} response */
  constructor(response) {
    super(
      `something else answers in the place of the service (${typeOf(response)}); a network may want a sign-in first`,
    );
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
