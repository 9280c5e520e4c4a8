/** How an idempotency key and its event are recognised again. */
import { createHash } from "node:crypto";
import type { NewEvent } from "./log.ts";

/** Stands for an idempotency key, which may have any length and any characters. */
export const digest = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** Equal for equal events only. It tells a repeated append from another event under the same idempotency key. */
export const fingerprint = ({ topic, type, data }: NewEvent): string => digest(`${topic}\n${type}\n${data}`);

/** One of so many lanes, always the same for one publisher. */
export const laneOf = (publisher: string, lanes: number): number =>
  createHash("sha256").update(publisher).digest().readUInt32BE() % lanes;
