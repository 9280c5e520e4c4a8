/**
 * Two backup rooms in containers of their own beside the stack's: one of the present version takes the dump, and one of the new
 * version restores it and compares.
 */
import type Docker from "dockerode";
import type { BaseImages } from "../../../infra/components/backup/image.ts";
import { dataFolderOf } from "../../../infra/components/database/version.ts";
import { dataVolumeName } from "../../../infra/resources/volume.ts";
import { requireRoom, type BackupView } from "../../engine/backup-room.ts";
import { execIn } from "../../engine/exec.ts";
import { askOnce, buildRoom, type Given } from "../../engine/one-off-room.ts";
import { readContainerFile } from "../../engine/volume-file.ts";
import { OpsError } from "../../terminal/errors.ts";
import type { Restored } from "../restore/restore.ts";
import { showEvents } from "../backup/progress.ts";
import { parseDisk } from "./server.ts";
import type { Disk } from "./target.ts";

/** So many seconds may the stack's own room finish what it is at. */
const PATIENCE = 900;
/** And so many while the service waits. */
const SHORT_PATIENCE = 15;
const PASSWORDS = "/run/secrets/pgpass";

export interface NewRoom {
  /** Its image. */
  readonly image: string;
  /** The disk of the backup volume. */
  readonly disk: Disk;
  /** Takes a dump, restores it into a server of the new version, and compares. Nothing else is touched. */
  readonly rehearse: () => Promise<BackupView>;
  /** Waits until the stack's own room is done with what it is at. */
  readonly whenFree: () => Promise<void>;
  /** The same once more of a server that nobody writes to, and leaves what was restored for the exchange. */
  readonly upgrade: () => Promise<Restored>;
}

/** @throws OpsError where the stack has no room, whose role and volume it uses */
export async function openNewRoom(
  docker: Docker,
  stack: string,
  present: BaseImages,
  next: BaseImages,
): Promise<NewRoom> {
  const room = docker.getContainer(await requireRoom(docker, stack));
  // From these sources, as the one that runs may be of older ones.
  const [old, image] = [await buildRoom(docker, present), await buildRoom(docker, next)];
  const { Config, NetworkSettings } = await room.inspect();
  const network = Object.keys(NetworkSettings.Networks).find((name) => name.endsWith("-data"));
  const passwords = await readContainerFile(room, PASSWORDS);
  if (network === undefined || passwords === undefined)
    throw new OpsError(
      `The backup room of stack ${stack} does not have what it reaches PostgreSQL with.`,
      "Deploy the stack again: npm run up.",
    );
  const given: Given = { files: { pgpass: { content: passwords } }, environment: ownVariables(Config.Env) };
  const name = dataVolumeName(stack, "backup");
  const asker =
    (of: string, { postgres }: BaseImages) =>
    <Answer>(patience: number, ...more: string[]): Promise<Answer> =>
      askOnce(docker, {
        image: of,
        ...given,
        volume: { name, folder: dataFolderOf(postgres) },
        network,
        args: ["upgrade", ...more, "--wait", String(patience)],
        onEvent: showEvents(),
      });
  const [askOld, askNew] = [asker(old, present), asker(image, next)];
  const { output } = await execIn(docker, room.id, ["sh", "-c", "df -Pk /backup | tail -n 1"]);
  return {
    image,
    disk: parseDisk(output),
    rehearse: async () => {
      const { id } = await askOld<Taken>(PATIENCE);
      return (await askNew<Restored>(PATIENCE, "--id", id)).backup;
    },
    whenFree: async () => void (await askOld<object>(PATIENCE, "--only-wait")),
    upgrade: async () => {
      const { id, writes } = await askOld<Taken>(SHORT_PATIENCE);
      return askNew<Restored>(SHORT_PATIENCE, "--id", id, "--writes", JSON.stringify(writes));
    },
  };
}

/** A dump, and how many rows were written in each database until it began. */
interface Taken {
  readonly id: string;
  readonly writes: Readonly<Record<string, number>>;
}

/** Pure: the variables of the stack's room by which it reaches PostgreSQL, and by which it names and dates a backup. */
export const ownVariables = (all: readonly string[]): string[] =>
  all.filter((one) => /^(PG(HOST|PORT|USER)|OMNIAI_(STACK|BACKUP_\w+|TIME_ZONE|PGPASS_FILE))=/.test(one));
