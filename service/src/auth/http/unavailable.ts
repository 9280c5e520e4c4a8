/** The answer while a store of authentication is away. */
import { between, reasonOf } from "../../platform/deadline.ts";
import { Problem } from "../../platform/problems.ts";

/** A store is away, so nobody knows whose request this is. It says nothing about the credential. */
export class AuthUnavailable extends Problem {
  readonly reason: string;

  constructor(reason: string) {
    super("auth-unavailable", "Who you are cannot be checked at the moment.", {
      headers: { "Retry-After": String(Math.ceil(between(0.1, 3))) },
    });
    this.reason = reason;
  }
}

/** @throws AuthUnavailable for every failure of a store. */
export async function available<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof Problem ? error : new AuthUnavailable(reasonOf(error));
  }
}
