/** Asks another part of the stack for JSON, so that it can neither hold this one up nor fill its memory. */
import { DeadlineError, whenLate } from "./deadline.ts";

export interface AskLimits {
  /** For the whole answer, in ms. */
  readonly deadlineMs: number;
  /** More than the other part says. */
  readonly maxBytes: number;
}

/** @throws Error without a whole answer of 2xx in time, or with a longer one; SyntaxError for one that is no JSON. */
export async function askJson(url: string, { deadlineMs, maxBytes }: AskLimits): Promise<unknown> {
  const late = new AbortController();
  const callOff = whenLate(deadlineMs, () => late.abort(new DeadlineError(url, deadlineMs)));
  try {
    const response = await fetch(url, { signal: late.signal, redirect: "error" });
    if (!response.ok) throw new Error(`${url} answers ${response.status}`);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk as Uint8Array);
      bytes += (chunk as Uint8Array).length;
      if (bytes > maxBytes) throw new Error(`${url} answers with more than ${maxBytes} bytes`);
    }
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } finally {
    callOff();
  }
}
