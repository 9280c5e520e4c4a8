/** Names that users give. */
import { z } from "zod";

/**
 * No control characters (PostgreSQL refuses NUL), no invisible ones, and none that reverse a line. Not by \p{C}, which depends on
 * the version of Unicode: a reader of openapi.json may have another one.
 */
const showable =
  // eslint-disable-next-line no-control-regex
  /^[^\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+$/u;

/** Something to show, of 1 to `most` characters (code points, as openapi.json counts them). */
export const showableText = (most: number) =>
  z
    .string()
    .regex(showable, "characters that can be shown")
    .refine((text) => text.isWellFormed(), "no halves of surrogate pairs")
    .refine((text) => [...text].length <= most, `at most ${most} characters`)
    // What openapi.json says of it: a refinement is code.
    .meta({ maxLength: most });
