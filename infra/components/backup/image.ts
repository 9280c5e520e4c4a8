/** The backup room's image: named by what it is made from, and the program in it. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** The build context: the Dockerfile, the health check and the room's program. */
export const CONTEXT = join(import.meta.dirname, "room");

/** How `ops` runs the room's program in the container. */
export const ROOM_PROGRAM: readonly string[] = ["python3", "-m", "room"];

/** @param hash of its sources, by `sourceHash`. */
export const imageOf = (hash: string): string => `omniai/backup:${hash}`;

/** What Python writes beside its sources belongs to a machine, not to the image. */
const isSource = (path: string): boolean => !/(^|\/)(__pycache__|\.[^/]+)(\/|$)|\.pyc$/.test(path);

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
export function sourceHash(images: BaseImages, context = CONTEXT): string {
  const digest = createHash("sha256").update(`${images.postgres}\n${images.redis}\n`);
  const files = readdirSync(context, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(context, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter(isSource)
    .sort();
  for (const path of files) {
    const content = readFileSync(join(context, path));
    digest.update(`${path}\n${content.length}\n`).update(content);
  }
  return digest.digest("hex").slice(0, 16);
}
