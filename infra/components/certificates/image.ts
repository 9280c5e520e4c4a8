/** The image of the room for certificates: named by what it is made from, and the program in it. */
import { join } from "node:path";
import { hashContext } from "../../resources/context-hash.ts";

/** The build context: the Dockerfile, the health check and the room's program. */
export const CONTEXT = join(import.meta.dirname, "room");

/** How the room's program is run in the container. */
export const ROOM_PROGRAM: readonly string[] = ["python3", "-m", "certificates"];

/** @param certbot the image that it is built on. */
export const imageOf = (certbot: string): string =>
  `omniai/certificates:${hashContext(CONTEXT, `${certbot}\n`)}`;

/** The build arguments of the Dockerfile. */
export const buildArgs = (certbot: string): Readonly<Record<string, string>> => ({ CERTBOT_IMAGE: certbot });
