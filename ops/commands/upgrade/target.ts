/** Where an upgrade of PostgreSQL leads: which image, and whether there is room for it. Pure. */
import { majorOf } from "../../../infra/components/database/version.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { bytes } from "../../terminal/output.ts";

/**
 * The image of another major version: the one that is named, whose name says its version, else today's with the number in its tag changed.
 * @throws OpsError where today's name does not lead to another, or the named one is of another version or of none
 */
export function imageFor(major: number, today: string, named?: string): string {
  const image = named ?? otherMajor(major, today);
  const said = majorOf(image);
  if (said === major) return image;
  if (said === undefined)
    throw new OpsError(
      `${image} does not say in its name which PostgreSQL it has. Where a deploy cannot read that, it cannot know whether it starts on the data.`,
      "Name it with its number, beside a digest where it has one: --image postgres:18-trixie@sha256:….",
      exit.usage,
    );
  throw new OpsError(
    `${image} is an image of PostgreSQL ${said}, and ${major} was asked for.`,
    "Name an image of that version: --image NAME.",
    exit.usage,
  );
}

function otherMajor(major: number, today: string): string {
  // A digest is of one image only.
  const [, before = "", after = ""] = /^(.*:)\d+(?:\.[\d.]+)?((?:-[^/:@]*)?)$/.exec(today) ?? [];
  if (before !== "") return `${before}${major}${after}`;
  throw new OpsError(
    `What the image of PostgreSQL ${major} is called cannot be told from omniai:postgresImage (${today}).`,
    `Name it: --image NAME, with its digest where the stack's images have one.`,
    exit.usage,
  );
}

/** A disk as the engine sees it. All in bytes. */
export interface Disk {
  /** Tells two disks apart. */
  readonly name: string;
  readonly free: number;
}

/** What is left in any case. */
const RESERVE = 64 * 1024 * 1024;

/**
 * What an upgrade lacks in space; undefined when there is enough. The backup volume takes the last dump and the new
 * server's data; the data's disk takes the new data beside the old, and then the old once more, in a volume of its own.
 * @param size of the data today, in bytes.
 */
export function spaceProblem(size: number, data: Disk, backup: Disk): string | undefined {
  const wanted =
    data.name === backup.name
      ? [[data, 4] as const]
      : ([
          [data, 2],
          [backup, 2],
        ] as const);
  // What is no number is no proof of room.
  if (!(size > 0 && data.free >= 0 && backup.free >= 0))
    return `How large the data is, or how much is free on its disk (${data.name}) and on the backups' (${backup.name}), cannot be read.`;
  const short = wanted.find(([{ free }, times]) => free < size * times + RESERVE);
  if (short === undefined) return undefined;
  const [disk, times] = short;
  return `The disk ${disk.name} has ${bytes(disk.free)} free, and the upgrade may need ${bytes(size * times + RESERVE)} (the data has ${bytes(size)}).`;
}
