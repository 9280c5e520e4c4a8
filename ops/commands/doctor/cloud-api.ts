/** Asking the API of a cloud, which only ever reads. */

/** One thing that a token needs to be allowed to. */
export interface Finding {
  readonly name: string;
  readonly good: boolean;
  readonly detail: string;
  readonly remedy?: string;
}

export interface ApiEndpoint {
  readonly url: string;
  readonly token: string;
}

export interface Answer {
  /** Undefined: there was none. */
  readonly status?: number;
  readonly body: unknown;
}

export async function get({ url, token }: ApiEndpoint, path: string): Promise<Answer> {
  try {
    const response = await fetch(url + path, {
      headers: {
        authorization: `Bearer ${token}`,
        "user-agent": "omniai-doctor",
        accept: "application/json",
      },
      signal: AbortSignal.timeout(10_000),
    });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  } catch {
    return { body: undefined };
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** A member of nested objects; undefined where there is none. */
export const member = (value: unknown, ...names: string[]): unknown =>
  names.reduce<unknown>((at, name) => (isRecord(at) ? at[name] : undefined), value);

export const unreachable = (name: string, url: string): Finding => ({
  name,
  good: false,
  detail: `${url} does not answer`,
  remedy: "Look at the network, or at the address that is set in the environment.",
});
