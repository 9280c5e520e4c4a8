/** What /api/events takes and answers. */
import { z } from "zod";
import { isBranch } from "../../platform/json.ts";
import { Problem } from "../../platform/problems.ts";
import { wholeNumber } from "../../platform/query.ts";
import { validated } from "../../platform/validate.ts";
import type { ResetReason } from "../stream/hub.ts";
import type { NewEvent } from "../log/log.ts";
import { DEFAULT_TOPIC, topicPattern, topicsPattern } from "../stream/topics.ts";

/** Types that mean something to EventSource itself (open, error) or to this service's own control events. */
export const RESERVED_TYPES: readonly string[] = ["open", "error", "reset", "hb", "bye"];

const MAX_DEPTH = 32;

export const postSchema = z.strictObject({
  topic: z
    .string()
    .regex(topicPattern, "words of letters, digits, _ and -, joined by dots")
    .default(DEFAULT_TOPIC),
  type: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9._-]{0,63}$/, "a letter, then letters, digits, dot, _ and -, at most 64")
    .refine((type) => !RESERVED_TYPES.includes(type), `none of ${RESERVED_TYPES.join(", ")}`),
  data: z
    .unknown()
    .refine((data) => data !== undefined, "any JSON value, required")
    .describe("Passed on as it is: a number of any size and precision stays that number."),
});

/** The longest wait of a poll, in seconds: shorter than proxies wait for an answer (nginx 60 s, Cloudflare 100 s). */
const MAX_WAIT_SECONDS = 25;

/** Topics and cursor are read as those of the stream (request.ts). This schema checks the numbers only. */
export const pollQuerySchema = z.object({
  topics: z.string().regex(topicsPattern).optional().describe("As for the stream."),
  after: z.string().optional().describe("A cursor; when left out, the answer has only the present position."),
  limit: wholeNumber(1, 500).default(100),
  wait: wholeNumber(0, MAX_WAIT_SECONDS).default(0).describe("Seconds to wait for an event."),
});
export const pollNumbersSchema = pollQuerySchema.pick({ limit: true, wait: true });

const RESET_REASONS = [
  "trimmed",
  "epoch",
  "rollback",
  "unknown",
  "malformed",
] as const satisfies readonly ResetReason[];

export const pollAnswerSchema = z.strictObject({
  events: z.array(z.strictObject({ id: z.string(), type: z.string(), data: z.unknown() })),
  next: z.string().describe("For `after`. These topics had nothing else up to here."),
  more: z.boolean().describe("There may be more already."),
  reset: z
    .strictObject({
      reason: z.enum(RESET_REASONS),
      requested: z.string(),
      earliest: z.string().optional().describe("The oldest event that is kept, if known."),
      latest: z.string(),
    })
    .optional()
    .describe(
      "Not everything after the cursor is available: read your snapshot again and go on from `next`.",
    ),
  retryMs: z.int().describe("When to ask again."),
});

/** Characters that need no escaping anywhere. The draft puts them in quotes, many clients do not. */
export const idempotencyKeyPattern = /^("?)([A-Za-z0-9._~:-]{8,128})\1$/;

/** @throws Problem 400 for a header that is not a key. */
export function parseIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const key = idempotencyKeyPattern.exec(header)?.[2];
  if (key !== undefined) return key;
  const detail = "Idempotency-Key is 8 to 128 letters, digits and any of . _ ~ : -, if given.";
  throw new Problem("invalid-idempotency-key", detail);
}

/** True when arrays and objects are nested no deeper than `depth`. Without recursion, because the input is not trusted. */
export function isWithinDepth(value: unknown, depth: number): boolean {
  let level: unknown[] = [value];
  for (let deep = 0; level.length > 0; deep++) {
    const next: unknown[] = [];
    for (const item of level) {
      if (!isBranch(item)) continue;
      if (deep >= depth) return false;
      for (const inner of Object.values(item)) next.push(inner);
    }
    level = next;
  }
  return true;
}

/** @throws Problem 400 that names what is wrong, or 413 for data longer than `maxBytes` as JSON. */
export function parseEvent(body: unknown, maxBytes: number): NewEvent {
  if (!isWithinDepth(body, MAX_DEPTH)) {
    throw new Problem("invalid-event", `The event is nested deeper than ${MAX_DEPTH} levels.`);
  }
  const { topic, type, data } = validated(postSchema, body, "invalid-event", "The event is not valid.");
  const text = JSON.stringify(data);
  if (Buffer.byteLength(text) > maxBytes) {
    throw new Problem("event-too-large", `The data is longer than ${maxBytes} bytes.`);
  }
  return { topic, type, data: text };
}
