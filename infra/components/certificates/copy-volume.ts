/** The volume of the certificates' copy as ops knows it too: apart from the program's, so that looking at a stack loads no SDK. */
import { STACK_LABEL, WORKLOAD_LABEL } from "../../resources/labels.ts";

/**
 * The one file in it (room/certificates/copy.py). It is in a folder of its own, whose owner whoever puts it there can set: that of
 * the volume itself is the engine's.
 */
export const COPY_FOLDER = "kept";
export const COPY_FILE = `${COPY_FOLDER}/certificates.tar`;

/** Who runs the room: nginx's user (edge.ts) in the group of the backup room (backup.ts). The Dockerfile has both, too. */
export const owners = { uid: 101, gid: 999 } as const;

/** The volume of the account and the certificates, on the engine and in the program. */
export const certificatesVolume = (stack: string): string => `omniai-${stack}-certificates`;

export const copyVolumeName = (stack: string): string => `omniai-${stack}-certificates-copy`;

export const copyVolumeLabels = (stack: string): Readonly<Record<string, string>> => ({
  [STACK_LABEL]: stack,
  [WORKLOAD_LABEL]: "certificates",
});
