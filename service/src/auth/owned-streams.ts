/** Ends streams and waiting polls whose credential has ended. */
import { between, pause } from "../platform/deadline.ts";
import type { Credential, KnownPrincipal } from "./principal.ts";
import type { RevocationListener, Revoked } from "./stores/revocations.ts";

/** How many credentials a sweep checks at the same time. */
const BATCH = 20;

/** What stays open for a credential: a stream, or a waiting poll. */
export interface Owned {
  /** Ends it because the credential is no longer valid. */
  revoke(): void;
  /** Called when it is over, whatever ended it. */
  onClose(listener: () => void): unknown;
}

/**
 * The open streams and waiting polls of known users. They end as soon as the credential that they were opened with is
 * revoked. A sweep finds credentials that ended by themselves, such as an idle session.
 */
export class OwnedStreams implements RevocationListener {
  readonly #byUser = new Map<string, Map<Owned, Credential>>();
  readonly #isGood: (userId: string, credential: Credential) => Promise<boolean>;
  readonly #sweepMs: number;
  readonly #forget: () => void;
  readonly #stop = new AbortController();
  #isSweeping = false;
  /** A gap came during a sweep, which may have looked at some credentials before it. */
  #sweepsAgain = false;

  /**
   * @param isGood whether a credential is still valid; rejects when that cannot be found out.
   * @param forget drops what is remembered of credentials; called before a revocation takes effect here.
   */
  constructor(
    isGood: (userId: string, credential: Credential) => Promise<boolean>,
    sweepMs: number,
    forget: () => void,
  ) {
    this.#isGood = isGood;
    this.#sweepMs = sweepMs;
    this.#forget = forget;
  }

  /** From now on the stream ends with the credential it was opened with. */
  add(stream: Owned, { userId, credential }: KnownPrincipal): void {
    let streams = this.#byUser.get(userId);
    if (!streams) this.#byUser.set(userId, (streams = new Map<Owned, Credential>()));
    streams.set(stream, credential);
    stream.onClose(() => {
      streams.delete(stream);
      if (streams.size === 0 && this.#byUser.get(userId) === streams) this.#byUser.delete(userId);
    });
    // It may have been revoked between its identification and its opening, and nobody will say so again.
    void this.#check(userId, credential, [stream]);
  }

  onRevoked(revoked: Revoked): void {
    this.#forget();
    for (const [stream, credential] of this.#byUser.get(revoked.userId) ?? []) {
      if (concerns(revoked, credential)) stream.revoke();
    }
  }

  onGap(): void {
    this.#forget();
    void this.sweep();
  }

  start(): void {
    void this.#repeat();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #repeat(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await pause(between(0.5, 1.5) * this.#sweepMs, signal);
      if (!signal.aborted) await this.sweep();
    }
  }

  /**
   * Ends the streams whose credential has ended. A stream stays when its credential cannot be checked now. Asked for during
   * a sweep it is done once more after that one, which may have looked at some of them already.
   */
  async sweep(): Promise<void> {
    if (this.#isSweeping) {
      this.#sweepsAgain = true;
      return;
    }
    this.#isSweeping = true;
    try {
      do {
        this.#sweepsAgain = false;
        await this.#sweepOnce();
      } while (this.#sweepsAgain);
    } finally {
      this.#isSweeping = false;
    }
  }

  async #sweepOnce(): Promise<void> {
    const groups = [...this.#byUser].flatMap(([userId, streams]) =>
      [...Map.groupBy(streams, ([, credential]) => `${credential.kind} ${credential.id}`).values()].map(
        (group) => ({ userId, group }),
      ),
    );
    for (let at = 0; at < groups.length; at += BATCH) {
      await Promise.all(
        groups.slice(at, at + BATCH).map(async ({ userId, group }) => {
          const credential = group[0]?.[1];
          const streams = group.map(([stream]) => stream);
          if (credential) await this.#check(userId, credential, streams);
        }),
      );
    }
  }

  async #check(userId: string, credential: Credential, streams: readonly Owned[]): Promise<void> {
    const isGood = await this.#isGood(userId, credential).catch(() => true);
    if (!isGood) for (const stream of streams) stream.revoke();
  }
}

function concerns({ kind, id }: Revoked, credential: Credential): boolean {
  switch (kind) {
    case "user":
      return true;
    case "logins":
      return credential.kind !== "token";
    case "session":
      return credential.kind === "session" && credential.id === id;
    case "family":
      return credential.kind === "access" && credential.id === id;
    case "token":
      return credential.kind === "token" && credential.id === id;
  }
}
