/** Asks the AI providers whether they can be reached. */
import { between, pause } from "../platform/deadline.ts";
import type { ProviderConfig } from "../platform/env/config.ts";
import { Circuit } from "./circuit.ts";

export interface ProviderState {
  readonly name: string;
  readonly baseUrl: string;
  /** unknown: it was not asked yet, or the first answer is still under way. */
  readonly status: "pass" | "fail" | "unknown";
  /** open: it failed several times, and is left alone for a while. */
  readonly circuit: "closed" | "open" | "half-open";
  readonly latencyMs?: number;
  readonly models?: readonly string[];
  readonly checkedAt?: string;
  /** Why it fails, in our own words: the provider's answer is not passed on. */
  readonly reason?: string;
}

export interface MonitorOptions {
  /** The longest that one request may take, in ms. */
  readonly deadlineMs: number;
  /** How long an answer counts as fresh, in ms. */
  readonly freshMs: number;
  readonly openMs: number;
}

export const monitorOptions: MonitorOptions = { deadlineMs: 5000, freshMs: 30_000, openMs: 15_000 };

const MAX_BODY_BYTES = 1_048_576;
const MAX_MODELS = 200;

/** Asks each provider for its models, only when somebody wants to know, and not more often than answers are fresh. */
export class ProviderMonitor {
  readonly #watched: readonly Watched[];

  constructor(providers: readonly ProviderConfig[], options: MonitorOptions = monitorOptions) {
    this.#watched = providers.map((provider) => new Watched(provider, options));
  }

  /** The known states, refreshed where that takes no longer than `waitMs`. What takes longer shows in a later answer. */
  async states(waitMs: number): Promise<readonly ProviderState[]> {
    const refreshes = this.#watched.map((watched) => watched.refresh()).filter((one) => one !== undefined);
    // Most of the time all are fresh.
    if (refreshes.length === 0) return this.known;
    const enough = new AbortController();
    await Promise.race([Promise.all(refreshes), pause(waitMs, enough.signal)]);
    enough.abort();
    return this.known;
  }

  /** The known states, without asking. */
  get known(): readonly ProviderState[] {
    return this.#watched.map(({ state }) => state);
  }

  stop(): void {
    for (const watched of this.#watched) watched.stop();
  }
}

class Watched {
  readonly #provider: ProviderConfig;
  readonly #options: MonitorOptions;
  readonly #circuit: Circuit;
  readonly #stop = new AbortController();
  #last: Pick<ProviderState, "status" | "latencyMs" | "models" | "checkedAt" | "reason"> = {
    status: "unknown",
  };
  #freshUntil = 0;
  #underWay: Promise<void> | undefined;

  constructor(provider: ProviderConfig, options: MonitorOptions) {
    this.#provider = provider;
    this.#options = options;
    this.#circuit = new Circuit(options.openMs);
  }

  get state(): ProviderState {
    const { name, baseUrl } = this.#provider;
    return { name, baseUrl, circuit: this.#circuit.state, ...this.#last };
  }

  /** Asks again, unless what is known is fresh. Never rejects. */
  refresh(): Promise<void> | undefined {
    if (this.#underWay) return this.#underWay;
    if (performance.now() < this.#freshUntil || !this.#circuit.mayTry()) return undefined;
    this.#underWay = this.#ask().finally(() => {
      this.#underWay = undefined;
      // A failure is checked again sooner; the circuit bounds how often.
      const { freshMs } = this.#options;
      const ms = this.#last.status === "pass" ? freshMs : freshMs / 6;
      this.#freshUntil = performance.now() + between(0.8, 1.2) * ms;
    });
    return this.#underWay;
  }

  stop(): void {
    this.#stop.abort();
  }

  async #ask(): Promise<void> {
    const started = performance.now();
    const checkedAt = new Date().toISOString();
    try {
      const models = await this.#models();
      this.#circuit.succeeded();
      const latencyMs = Math.round(performance.now() - started);
      this.#last = { status: "pass", latencyMs, models, checkedAt };
    } catch (error) {
      this.#circuit.failed();
      this.#last = { status: "fail", checkedAt, reason: reasonFor(error) };
    }
  }

  async #models(): Promise<readonly string[]> {
    const { baseUrl, apiKey } = this.#provider;
    const response = await fetch(`${baseUrl}/models`, {
      headers: { accept: "application/json", ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}) },
      // A redirect would send the key to somebody else.
      redirect: "manual",
      signal: AbortSignal.any([AbortSignal.timeout(this.#options.deadlineMs), this.#stop.signal]),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new ProviderError(`answers ${response.status}`);
    }
    return modelsOf(await boundedText(response));
  }
}

class ProviderError extends Error {}

function reasonFor(error: unknown): string {
  if (error instanceof ProviderError) return error.message;
  if (error instanceof Error && error.name === "TimeoutError") return "does not answer in time";
  return "cannot be reached";
}

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) throw new ProviderError("answers with too much");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** `{"data": [{"id": "…"}, …]}`; anything else is not an OpenAI-compatible API. */
function modelsOf(text: string): readonly string[] {
  let data: unknown;
  try {
    data = (JSON.parse(text) as { data?: unknown } | null)?.data;
  } catch {
    data = undefined;
  }
  if (!Array.isArray(data)) throw new ProviderError("does not answer with a list of models");
  return data
    .map((item: unknown) => (item as { id?: unknown } | null)?.id)
    .filter((id): id is string => typeof id === "string")
    .slice(0, MAX_MODELS)
    .map((id) => id.slice(0, 200));
}
