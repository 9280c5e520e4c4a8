import { createHash } from "node:crypto";
import type { NewEvent } from "./log.ts";

/** Stands for an idempotency key, of any length and with any characters. */
export const digest = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** Equal for equal events: what tells a repeated append from another event under the same idempotency key. */
export const fingerprint = ({ topic, type, data }: NewEvent): string => digest(`${topic}\n${type}\n${data}`);
