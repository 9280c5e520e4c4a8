/** Asks the API of a cloud, and only ever reads. */
import { isMapping } from "../../stack/json.ts";

/** What doctor found out about one thing. */
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
  /** Undefined when there was no answer. */
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

/** A member of nested objects; undefined when there is none. */
export const member = (value: unknown, ...names: string[]): unknown =>
  names.reduce<unknown>((at, name) => (isMapping(at) ? at[name] : undefined), value);

export const unreachable = (name: string, url: string): Finding => ({
  name,
  good: false,
  detail: `${url} does not answer`,
  remedy: "Check the network, or the address that is set in the environment.",
});
