/** Sessions: how long they last, and where they may be kept. */
import type { Scope } from "../principal.ts";
import { randomToken, sessionKeyOf } from "../credentials/secrets.ts";

/** How many sessions one user has at most: a new one ends the one that was not used for longest. */
export const MAX_SESSIONS_OF_USER = 50;

/** What is kept of a session. Its secret id is not kept; the hash of the id is the key. */
export interface Session {
  readonly userId: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** ms since 1970. */
  readonly createdAt: number;
  readonly usedAt: number;
}

/** A place for sessions. Every method rejects when the store is away. `key` is `sessionKeyOf(id)`. */
export interface SessionStore {
  /** Keeps a new session for `ttlMs`. Its user has `MAX_SESSIONS_OF_USER` afterwards at most. */
  put(key: string, session: Session, ttlMs: number): Promise<void>;
  get(key: string): Promise<Session | undefined>;
  /** Keeps it for another `ttlMs` if it still exists: a renewal must not bring back what a logout just removed. */
  renew(key: string, session: Session, ttlMs: number): Promise<void>;
  /** @returns the removed session. */
  remove(key: string): Promise<Session | undefined>;
  /** All sessions of one user. */
  removeOf(userId: string): Promise<void>;
}

/** How long sessions last, and what an id looks like, wherever they are kept. */
export class Sessions {
  readonly #store: SessionStore;
  readonly #idleMs: number;
  readonly #maxMs: number;
  readonly #now: () => number;

  constructor(
    store: SessionStore,
    limits: { sessionIdleMs: number; sessionMaxMs: number },
    now: () => number = Date.now,
  ) {
    this.#store = store;
    this.#idleMs = limits.sessionIdleMs;
    this.#maxMs = limits.sessionMaxMs;
    this.#now = now;
  }

  /** A new session always has a new id, because somebody may have known an id from before the login. */
  async create(user: Pick<Session, "userId" | "name" | "scopes">): Promise<{ id: string; session: Session }> {
    const id = randomToken();
    const now = this.#now();
    const session: Session = { ...user, createdAt: now, usedAt: now };
    await this.#store.put(sessionKeyOf(id), session, Math.min(this.#idleMs, this.#maxMs));
    return { id, session };
  }

  /** A session that has not ended. This does not renew it. */
  async find(key: string): Promise<Session | undefined> {
    const session = await this.#store.get(key);
    return session && this.endOf(session) > this.#now() ? session : undefined;
  }

  /** Renews the session. Written at most ten times in an idle time, so that not every request is a write. */
  async use(key: string, session: Session): Promise<Session> {
    const now = this.#now();
    if (now - session.usedAt < this.#idleMs / 10) return session;
    const used = { ...session, usedAt: now };
    await this.#store.renew(key, used, this.endOf(used) - now);
    return used;
  }

  /** When it ends without further use, in ms since 1970. */
  endOf({ createdAt, usedAt }: Session): number {
    return Math.min(usedAt + this.#idleMs, createdAt + this.#maxMs);
  }

  /** When it ends at the latest, however much it is used. */
  lastEndOf({ createdAt }: Session): number {
    return createdAt + this.#maxMs;
  }

  remove(key: string): Promise<Session | undefined> {
    return this.#store.remove(key);
  }

  removeOf(userId: string): Promise<void> {
    return this.#store.removeOf(userId);
  }
}

/** Sessions of one process, for development: they end with it. */
export class MemorySessionStore implements SessionStore {
  readonly #kept = new Map<string, { session: Session; until: number }>();

  put(key: string, session: Session, ttlMs: number): Promise<void> {
    const now = Date.now();
    for (const [other, { until }] of this.#kept) if (until <= now) this.#kept.delete(other);
    this.#kept.delete(key);
    const others = [...this.#kept].filter(([, kept]) => kept.session.userId === session.userId);
    others.sort(([, left], [, right]) => left.session.usedAt - right.session.usedAt);
    const excess = Math.max(0, others.length + 1 - MAX_SESSIONS_OF_USER);
    for (const [other] of others.slice(0, excess)) this.#kept.delete(other);
    this.#kept.set(key, { session, until: now + ttlMs });
    return Promise.resolve();
  }

  get(key: string): Promise<Session | undefined> {
    const kept = this.#kept.get(key);
    return Promise.resolve(kept && kept.until > Date.now() ? kept.session : undefined);
  }

  async renew(key: string, session: Session, ttlMs: number): Promise<void> {
    if (await this.get(key)) await this.put(key, session, ttlMs);
  }

  async remove(key: string): Promise<Session | undefined> {
    const session = await this.get(key);
    this.#kept.delete(key);
    return session;
  }

  removeOf(userId: string): Promise<void> {
    for (const [key, { session }] of this.#kept) if (session.userId === userId) this.#kept.delete(key);
    return Promise.resolve();
  }
}
