/** What the replica of `npm run dev` tells its parent when it listens. */
import { z } from "zod";

export const readySchema = z.strictObject({ port: z.int(), internalPort: z.int() });
export type Ready = z.output<typeof readySchema>;
