/** What the poll answers. */
import type { z } from "zod";
import type { Delivery } from "../stream/delivery.ts";
import { decodeBlock } from "../stream/frame.ts";
import type { PollPage } from "../stream/poll.ts";
import type { pollAnswerSchema } from "./schema.ts";

export type PollAnswer = z.output<typeof pollAnswerSchema>;

/** How often an answer is in memory while it is under way: as text, as bytes, and what the garbage collector left. */
const COPIES = 3;

/** What an answer with so many bytes of frames takes of the budget. */
export const costOfAnswer = (bytes: number): number => COPIES * bytes;

/** The answer as JSON. The data of an event is JSON already, so it is taken as it is, with its numbers to the last digit. */
export function answerText({ deliveries, ...page }: PollPage, retryMs: number): string {
  const rest = { ...page, retryMs } satisfies Omit<PollAnswer, "events">;
  return `{"events":[${deliveries.map(eventText).join()}],${JSON.stringify(rest).slice(1)}`;
}

function eventText({ frame }: Delivery): string {
  const { id = "", event: type = "message", data = "null" } = decodeBlock(frame.plain.toString());
  return `{"id":${JSON.stringify(id)},"type":${JSON.stringify(type)},"data":${jsonOf(data)}}`;
}

/** An entry that somebody else wrote need not be JSON. */
function jsonOf(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}
