/** Who is logged in. All tabs of the browser share it, and only one of them renews what runs out. */
import { ApiError } from "./api.js";
import { insist, isFinalRefusal, isRefusal, toldMs } from "./attempts.js";
import { backoffMs, pause } from "./backoff.js";
import { alone, canShare, openChannel } from "./tabs.js";

/**
 * @typedef {object} AuthState
 * @property {string} mode none, session, token or both.
 * @property {boolean} authenticated
 * @property {string} [id]
 * @property {string} [name]
 * @property {readonly string[]} scopes
 */

/** @typedef {import("./api.js").Credentials & { expiresAt?: number }} Credentials expiresAt: of the access token, ms. */

/** The modes in which a login is kept in a cookie. */
const COOKIE_MODES = ["session", "both"];

/** A stack without authentication says so; an older service has no such route, and is open too. */
/** @type {AuthState} */
const open = { mode: "none", authenticated: false, scopes: [] };

/** How long a tab waits for another one's credentials, in ms. */
const ASK_MS = 200;
/** An access token is renewed when so much of its time is left, or so many ms, if that is not more than half of it. */
const RENEW_SHARE = 0.2;
const RENEW_BEFORE_MS = 30_000;
/** Spreads the renewals of tabs, so that most of them find that another tab has done it; in ms. */
const RENEW_SPREAD_MS = 4000;

export class Session {
  /** @type {AuthState} */
  state = open;
  /** Whether the browser did not keep the cookie of the last login: then its user is signed out, or goes on with tokens. */
  isCookieLost = false;
  /** Called when the state has changed, in whichever tab. */
  onChange = () => {};
  #api;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  #name;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Set<() => void>} */
  #waiting = new Set();
  /** @type {number | undefined} */
  #expiresAt;
  /** When these credentials came to be, in ms: by a login, a refresh or a logout. Older ones never replace them. */
  #since = 0;
  /** Until stop(), and again from start() on. */
  #running = new AbortController();
  /** Ends the questions of who is there, which go on until one is answered. */
  #asking = new AbortController();
  /** How many renewals in a row got no answer. */
  #failures = 0;
  #isChecked = false;

  /**
   * @param {import("./api.js").Api} api
   * @param {string} [mode] how people log in, as far as it is known before the service is asked.
   */
  constructor(api, mode = open.mode) {
    this.#api = api;
    this.state = { ...open, mode };
    this.#name = `omniai session ${api.baseUrl}`;
    api.renewCsrf = () => this.#renewCsrf();
  }

  /** True when a person has to log in first. */
  get isNeeded() {
    return this.state.mode !== "none" && !this.state.authenticated;
  }

  /** The topics to follow: public ones and the user's own. Undefined leaves the choice to the service. */
  get topics() {
    const { id, scopes } = this.state;
    return id && scopes.includes("events:read") ? `public.*,user.${id}.*` : undefined;
  }

  /** Asks other tabs, then the service, who is logged in. */
  async start() {
    if (this.#running.signal.aborted) {
      this.#running = new AbortController();
      this.#renewInTime();
    }
    if (canShare() && !this.#channel) {
      this.#channel = openChannel(this.#name);
      if (this.#channel) this.#channel.onmessage = ({ data }) => this.#hear(data);
      if (this.#channel && !this.#api.credentials.accessToken) await this.#askTabs();
    }
    await this.check().catch((error) => void this.#checkLater(error));
  }

  /**
   * A page whose question got no answer must not go on as if nobody were there: without its form to log in, or with it.
   * @param {unknown} error why there was no answer.
   * @param {() => Promise<unknown>} [then] what waits for the answer.
   */
  async #checkLater(error, then) {
    this.#asking.abort();
    this.#asking = new AbortController();
    const signal = AbortSignal.any([this.#asking.signal, this.#running.signal]);
    for (let failures = 1, last = error; ; failures += 1) {
      await pause(toldMs(last) + backoffMs(failures), signal);
      if (signal.aborted) return;
      try {
        await this.check();
        break;
      } catch (again) {
        last = again;
      }
    }
    // Nobody waits for this: what fails now shows as the state that it leaves behind.
    if (!signal.aborted) await then?.().catch(() => undefined);
  }

  stop() {
    this.#running.abort();
    this.#channel?.close();
    this.#channel = undefined;
    clearTimeout(this.#timer);
  }

  /** Asks the service who is logged in. @returns {Promise<AuthState>} */
  async check() {
    const since = this.#since;
    /** @type {AuthState} */
    let state;
    try {
      const answer = await this.#api.get("/api/auth/check", { expected: [404] });
      state = {
        mode: String(answer.mode),
        authenticated: answer.authenticated === true,
        id: answer.user?.id,
        name: answer.user?.name,
        scopes: answer.scopes ?? [],
      };
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      state = open;
    }
    // Somebody has logged in or out since it was asked, in whichever tab: the answer is about who was there before.
    if (this.#since !== since) return this.check();
    const wantsCsrf = state.authenticated && !this.#api.credentials.accessToken;
    if (wantsCsrf && !this.#api.credentials.csrfToken) {
      await this.#fetchCsrf();
      if (this.#since !== since) return this.check();
    }
    // That nobody is logged in is news, where it was only assumed before.
    const isNews = !this.#isChecked && state.mode !== open.mode && !state.authenticated;
    const isFound = state.authenticated && !this.state.authenticated;
    this.#isChecked = true;
    this.#become(state, isNews);
    // It may be this tab alone that has asked since then, and another one that holds the connection.
    if (isFound) this.#tell();
    return state;
  }

  /**
   * @param {string} username
   * @param {string} password
   * @throws {ApiError} when the service refuses, TypeError when some attempts got no answer.
   */
  async login(username, password) {
    this.isCookieLost = false;
    this.#keep({});
    await this.#logIn({ username, password }, async () => {
      // A browser that keeps no cookies of other sites has forgotten the session by now.
      this.isCookieLost = COOKIE_MODES.includes(this.state.mode) && !this.state.authenticated;
      if (this.isCookieLost && this.state.mode === "both")
        await this.#logIn({ username, password, kind: "token" }, async () => this.#tell());
      else this.#tell();
    });
  }

  /**
   * @param {object} credentials
   * @param {() => Promise<void>} then the rest of the login, once the service has said who is there.
   */
  async #logIn(credentials, then) {
    let answer;
    try {
      // Too many passwords are the user's matter, not the page's.
      const attempt = () => this.#api.post("/api/auth/login", credentials, { expected: [429] });
      answer = await insist(attempt, isHopeless);
    } catch (error) {
      // Only the answer may be lost, and the cookie be there.
      if (!isRefusal(error)) void this.#checkLater(error);
      throw error;
    }
    this.#keep(credentialsOf(answer), this.#later());
    const since = this.#since;
    try {
      await insist(() => this.check(), isHopeless);
    } catch (error) {
      // The service has somebody logged in, and the page finds that out as soon as it gets an answer. The rest is done then, unless
      // somebody has logged in or out meanwhile, in whichever tab.
      void this.#checkLater(error, async () => (this.#since === since ? then() : undefined));
      throw error;
    }
    await then();
  }

  /**
   * Ends the login, in all tabs. One whose access token has run out is renewed first: the service would refuse the old one,
   * and the refresh token would live on.
   * @throws {ApiError} when the service refuses, TypeError when there is no answer. The login has not ended then.
   */
  async logout() {
    if (this.#expiresAt !== undefined && this.#expiresAt <= Date.now()) await this.renew();
    try {
      await this.#endLogin();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      // The service's clock counts, not this device's. Without credentials, after a refusal, nobody is logged in.
      await this.renew();
      await this.#endLogin();
    }
    this.isCookieLost = false;
    this.#keep({}, this.#later());
    this.#become({ ...this.state, authenticated: false, id: undefined, name: undefined, scopes: [] });
    this.#tell();
  }

  #endLogin() {
    return insist(() => this.#api.post("/api/auth/logout", {}), isHopeless);
  }

  /**
   * Gets new tokens for the refresh token, which is good for one use only: one tab at a time, and none of those that
   * waited uses it again.
   * @returns {Promise<boolean>} false: a person has to log in.
   */
  async renew() {
    const { accessToken } = this.#api.credentials;
    return this.#alone("renew", async () => {
      const isOld = this.#api.credentials.accessToken === accessToken;
      // The first tab that answers may have been frozen, and have older ones than the others.
      if (isOld && accessToken && this.#channel) await this.#askTabs({ all: true });
      if (this.#api.credentials.accessToken !== accessToken)
        return this.#api.credentials.accessToken !== undefined;
      return this.#refresh();
    });
  }

  async #refresh() {
    const { refreshToken } = this.#api.credentials;
    if (!refreshToken) {
      this.#keep({});
      return false;
    }
    const since = this.#since;
    // Somebody may log in or out in the meantime, in whichever tab.
    const isReplaced = () => this.#since !== since;
    try {
      const answer = await this.#api.post("/api/auth/refresh", { refreshToken });
      if (isReplaced()) return this.#api.credentials.accessToken !== undefined;
      this.#failures = 0;
      this.#keep(credentialsOf(answer), this.#later());
      this.#tell();
      return true;
    } catch (error) {
      if (isReplaced()) return this.#api.credentials.accessToken !== undefined;
      // Without an answer the token may still be good; the next attempt will tell. What was refused must not come back
      // from another tab, but a later login may.
      if (isFinalRefusal(error)) this.#keep({}, since + 1);
      else {
        this.#failures += 1;
        this.#renewAfter(toldMs(error) + backoffMs(this.#failures));
      }
      return false;
    }
  }

  async #renewCsrf() {
    const { csrfToken } = this.#api.credentials;
    await this.#alone("csrf", async () => {
      if (this.#api.credentials.csrfToken !== csrfToken) return;
      await this.#fetchCsrf();
      this.#tell();
    });
  }

  async #fetchCsrf() {
    const since = this.#since;
    const { csrfToken } = await this.#api.get("/api/auth/csrf");
    // It belongs to the session that was there when it was asked for.
    if (this.#since === since) this.#keep({ ...this.#api.credentials, csrfToken });
  }

  /**
   * @template T
   * @param {string} what
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  #alone(what, work) {
    return alone(`${this.#name} ${what}`, work);
  }

  /**
   * Resolves when another tab has told what it has, or when none does.
   * @param {{ all?: boolean }} [options] all: waits for every tab; the newest of what they told counts then.
   */
  #askTabs({ all = false } = {}) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve(undefined);
      };
      const timer = setTimeout(done, ASK_MS);
      if (!all) this.#waiting.add(done);
      this.#channel?.postMessage({ kind: "ask" });
    });
  }

  #tell() {
    this.#channel?.postMessage({
      kind: "told",
      state: this.state,
      since: this.#since,
      credentials: { ...this.#api.credentials, expiresAt: this.#expiresAt },
    });
  }

  /** @param {{ kind: string, state: AuthState, credentials: Credentials, since?: number }} message */
  #hear({ kind, state, credentials, since = this.#since }) {
    if (kind === "ask") {
      // A tab that knows of nobody has nothing to say.
      if (this.state.authenticated) this.#tell();
      return;
    }
    // A tab that was frozen tells of tokens that have been used since, or of a login that has ended.
    if (since < this.#since) return;
    if (since > this.#since) this.isCookieLost = false;
    this.#keep(credentials, since);
    this.#become(state);
    for (const done of [...this.#waiting]) done();
  }

  /** Now, for what replaces the present credentials; later than them also when a clock was set back. */
  #later() {
    return Math.max(Date.now(), this.#since + 1);
  }

  /**
   * @param {Credentials} credentials
   * @param {number} [since]
   */
  #keep({ expiresAt, ...credentials }, since = this.#since) {
    this.#since = since;
    this.#api.credentials = credentials;
    this.#expiresAt = expiresAt;
    this.#renewInTime();
  }

  #renewInTime() {
    clearTimeout(this.#timer);
    if (this.#expiresAt === undefined || !this.#api.credentials.refreshToken) return;
    const lifeMs = this.#expiresAt - Date.now();
    const early = Math.max(RENEW_SHARE * lifeMs, Math.min(RENEW_BEFORE_MS, lifeMs / 2));
    this.#renewAfter(lifeMs - early + Math.random() * Math.min(RENEW_SPREAD_MS, early / 4));
  }

  /** @param {number} ms */
  #renewAfter(ms) {
    clearTimeout(this.#timer);
    // A session that was stopped asks nothing more by itself.
    if (this.#running.signal.aborted) return;
    this.#timer = setTimeout(() => void this.renew(), Math.min(ms, 2 ** 31 - 1));
  }

  /**
   * @param {AuthState} state
   * @param {boolean} [isNews] true tells of it also where it is as before.
   */
  #become(state, isNews = false) {
    const isSame = JSON.stringify(state) === JSON.stringify(this.state);
    this.state = state;
    if (!isSame || isNews) this.onChange();
  }
}

/** A person waits for it: one wait for an answer is long enough. @param {unknown} error */
const isHopeless = (error) =>
  isRefusal(error) || (error instanceof DOMException && error.name === "TimeoutError");

/**
 * @param {any} answer of a login or a refresh.
 * @returns {Credentials}
 */
function credentialsOf({ accessToken, refreshToken, csrfToken, expiresIn }) {
  const seconds = Number(expiresIn);
  return {
    accessToken,
    refreshToken,
    csrfToken,
    ...(seconds > 0 ? { expiresAt: Date.now() + 1000 * seconds } : {}),
  };
}
