/** Who is logged in on this page. A stack without authentication says so; an older service has no such route, and is open too. */
import { ApiError } from "./api.js";

/**
 * @typedef {object} AuthState
 * @property {string} mode none, session, token or both.
 * @property {boolean} authenticated
 * @property {string} [id]
 * @property {string} [name]
 * @property {readonly string[]} scopes
 */

/** @type {AuthState} */
const open = { mode: "none", authenticated: false, scopes: [] };

export class Auth {
  /** @type {AuthState} */
  state = open;
  #api;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.#api = api;
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

  /** Asks the service who is logged in. @returns {Promise<AuthState>} */
  async check() {
    try {
      const answer = await this.#api.get("/api/auth/check");
      this.state = {
        mode: String(answer.mode),
        authenticated: answer.authenticated === true,
        id: answer.user?.id,
        name: answer.user?.name,
        scopes: answer.scopes ?? [],
      };
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      this.state = open;
    }
    const wantsCsrf = this.state.authenticated && !this.#api.credentials.accessToken;
    if (wantsCsrf && !this.#api.credentials.csrfToken) await this.#fetchCsrf();
    return this.state;
  }

  async #fetchCsrf() {
    const { csrfToken } = await this.#api.get("/api/auth/csrf");
    this.#api.credentials = { ...this.#api.credentials, csrfToken };
  }

  /**
   * @param {string} username
   * @param {string} password
   */
  async login(username, password) {
    this.#api.credentials = {};
    const answer = await this.#api.post("/api/auth/login", { username, password });
    const { accessToken, refreshToken, csrfToken } = answer;
    this.#api.credentials = { accessToken, refreshToken, csrfToken };
    await this.check();
    // A browser that keeps no cookies of other sites has forgotten the session by now.
    if (!this.state.authenticated && this.state.mode === "both") await this.#loginByToken(username, password);
  }

  /**
   * @param {string} username
   * @param {string} password
   */
  async #loginByToken(username, password) {
    const { accessToken, refreshToken } = await this.#api.post("/api/auth/login", {
      username,
      password,
      kind: "token",
    });
    this.#api.credentials = { accessToken, refreshToken };
    await this.check();
  }

  /** Gets a new access token for the refresh token. @returns {Promise<boolean>} false: a person has to log in. */
  async renew() {
    const { refreshToken } = this.#api.credentials;
    this.#api.credentials = {};
    if (!refreshToken) return false;
    try {
      const answer = await this.#api.post("/api/auth/refresh", { refreshToken });
      this.#api.credentials = { accessToken: answer.accessToken, refreshToken: answer.refreshToken };
      return true;
    } catch (error) {
      // Without an answer the token may still be good; the next attempt will tell.
      if (!(error instanceof ApiError)) this.#api.credentials = { refreshToken };
      return false;
    }
  }

  async logout() {
    await this.#api.post("/api/auth/logout", {}).catch(() => undefined);
    this.#api.credentials = {};
    this.state = { ...this.state, authenticated: false, id: undefined, name: undefined, scopes: [] };
  }
}
