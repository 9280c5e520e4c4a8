/** How an idempotency key and its event are recognised again. */
import { createHash } from "node:crypto";
import type { NewEvent } from "./log.ts";

/** Stands for an idempotency key, which may have any length and any characters. */
export const digest = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** Equal for equal events only. It tells a repeated append from another event under the same idempotency key. */
export const fingerprint = ({ topic, type, data }: NewEvent): string => digest(`${topic}\n${type}\n${data}`);
