/**
 * Revocations: how they are described, told and looked up.
 */

/**
 * What is no longer valid. `user`: everything of a user; `logins`: sessions and token families of a user, not the
 * API tokens; `session`, `family` and `token`: one of them, by the name that a principal's credential has.
 */
export interface Revoked {
  readonly kind: "user" | "logins" | "session" | "family" | "token";
  readonly userId: string;
  /** Empty for `user` and `logins`. */
  readonly id: string;
}

export interface RevocationListener {
  /** Called once or more for each revocation, on every replica. */
  onRevoked(revoked: Revoked): void;
  /** Some revocations may have been missed, so everything has to be checked again. */
  onGap(): void;
}

/** Tells all replicas what was revoked, and answers for access tokens, which no store knows. */
export interface Revocations {
  start(listener: RevocationListener): void;
  /** Resolves when it is stored: from then on no access token that it concerns is valid on any replica. */
  tell(revoked: Revoked): Promise<void>;
  /** Whether an access token of this family, issued at this time (in ms since 1970), is revoked. */
  isRevoked(userId: string, familyId: string, issuedAt: number): Promise<boolean>;
  stop(): Promise<void>;
}

/**
 * Whether the notes about a user and about a family end a token that was issued at `issuedAt`. A user may log in again
 * later. A family never comes back, so its note is enough, whatever the clocks say.
 */
export function endsToken(
  userAt: number | undefined,
  familyAt: number | undefined,
  issuedAt: number,
): boolean {
  return familyAt !== undefined || (userAt !== undefined && issuedAt <= userAt);
}

/** The names under which a revocation is looked up for access tokens; none when it does not concern them. */
export function revocationNames({ kind, userId, id }: Revoked): readonly string[] {
  if (kind === "user" || kind === "logins") return [`user:${userId}`];
  return kind === "family" ? [`family:${id}`] : [];
}

/** For one process alone. */
export class MemoryRevocations implements Revocations {
  readonly #revoked = new Map<string, number>();
  #listener: RevocationListener | undefined;

  start(listener: RevocationListener): void {
    this.#listener = listener;
  }

  tell(revoked: Revoked): Promise<void> {
    for (const name of revocationNames(revoked)) this.#revoked.set(name, Date.now());
    this.#listener?.onRevoked(revoked);
    return Promise.resolve();
  }

  isRevoked(userId: string, familyId: string, issuedAt: number): Promise<boolean> {
    const at = (name: string): number | undefined => this.#revoked.get(name);
    return Promise.resolve(endsToken(at(`user:${userId}`), at(`family:${familyId}`), issuedAt));
  }

  stop(): Promise<void> {
    this.#listener = undefined;
    return Promise.resolve();
  }
}
