/** The backup room's image: named by what it is made from, and the program in it. */
import { join } from "node:path";
import { hashContext } from "../../resources/context-hash.ts";

/** The build context: the Dockerfile, the health check and the room's program. */
export const CONTEXT = join(import.meta.dirname, "room");

/** How `ops` runs the room's program in the container. */
export const ROOM_PROGRAM: readonly string[] = ["python3", "-m", "room"];

/** @param hash of its sources, by `sourceHash`. */
export const imageOf = (hash: string): string => `omniai/backup:${hash}`;

/** The images that the room's own is made from: their programs fit what they are to read. */
export interface BaseImages {
  readonly postgres: string;
  readonly redis: string;
}

/** The build arguments of the Dockerfile. */
export const buildArgs = ({ postgres, redis }: BaseImages): Readonly<Record<string, string>> => ({
  POSTGRES_IMAGE: postgres,
  REDIS_IMAGE: redis,
});

/** 16 hex digits over every source and the names of the images that it is made from. */
export const sourceHash = (images: BaseImages, context = CONTEXT): string =>
  hashContext(context, `${images.postgres}\n${images.redis}\n`);
