/** The backup room's program in a container that lives for one question, where no stack runs it: to bring copies back. */
import { readdirSync } from "node:fs";
import type Docker from "dockerode";
import {
  buildArgs,
  CONTEXT,
  imageOf,
  ROOM_PROGRAM,
  sourceHash,
  type BaseImages,
} from "../../infra/components/backup/image.ts";
import { packFiles, type ArchiveFile } from "../../infra/resources/archive.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { unlessGone } from "./connection.ts";
import { hear, type RoomEvent } from "./backup-room.ts";

/** A bucket, with all that it takes to read the copies in it. */
export interface Bucket {
  /** As restic writes it: s3:https://host/bucket/stack. */
  readonly repository: string;
  /** Empty: the service's own choice. */
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretKey: string;
  /** The operator's key. */
  readonly key: string;
  /** A certificate in PEM; empty for none. */
  readonly authority: string;
}

const user = { uid: 999, gid: 999 };
const SECRETS = "/run/secrets";

/** The room's image, made where the engine does not have it. @returns its name. @throws OpsError */
export async function buildRoom(docker: Docker, images: BaseImages): Promise<string> {
  const name = imageOf(sourceHash(images));
  if ((await unlessGone(docker.getImage(name).inspect())) !== undefined) return name;
  const stream = await docker.buildImage(
    { context: CONTEXT, src: readdirSync(CONTEXT) },
    { t: name, buildargs: buildArgs(images) },
  );
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error, lines: { error?: string }[] | undefined) => {
      const failure = error?.message ?? lines?.find((line) => line.error !== undefined)?.error;
      if (failure === undefined) resolve();
      else
        reject(
          new OpsError(
            `The backup room's image could not be built: ${failure}`,
            "See whether the engine reaches the package mirrors, and run this again.",
          ),
        );
    });
  });
  return name;
}

/** What the room's program is given: its secrets as files, and its variables. */
export interface Given {
  readonly files: Readonly<Record<string, ArchiveFile>>;
  /** NAME=VALUE. */
  readonly environment: readonly string[];
}

export interface Question extends Given {
  readonly image: string;
  /** The room's verb and its arguments. */
  readonly args: readonly string[];
  /** The volume that it works on, and where that belongs in the image; default: one that goes with the container. */
  readonly volume?: { readonly name: string; readonly folder: string };
  /** The network that it is on beside; default: the engine's own. */
  readonly network?: string;
  readonly onEvent?: (event: RoomEvent) => void;
}

/** For whoever reads the copies in a bucket. */
export const givenFor = (bucket: Bucket): Given => ({
  files: filesOf(bucket),
  environment: environmentOf(bucket),
});

const filesOf = ({ key, accessKeyId, secretKey, authority }: Bucket): Record<string, ArchiveFile> => ({
  "offsite-key": { content: `${key}\n` },
  "offsite-credentials": {
    content: `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretKey}\n`,
  },
  ...(authority === "" ? {} : { "offsite-authority.pem": { content: authority } }),
});

const environmentOf = ({ repository, region, authority }: Bucket): string[] => [
  `OMNIAI_OFFSITE_REPOSITORY=${repository}`,
  `OMNIAI_OFFSITE_KEY_FILE=${SECRETS}/offsite-key`,
  `OMNIAI_OFFSITE_CREDENTIALS_FILE=${SECRETS}/offsite-credentials`,
  ...(authority === "" ? [] : [`OMNIAI_OFFSITE_AUTHORITY_FILE=${SECRETS}/offsite-authority.pem`]),
  ...(region === "" ? [] : [`AWS_DEFAULT_REGION=${region}`]),
];

/** @returns what the last line of the room's program says. @throws OpsError with the room's own words */
export async function askOnce<Answer>(
  docker: Docker,
  { image, files, environment, args, volume, network, onEvent = () => undefined }: Question,
): Promise<Answer> {
  const secrets = Buffer.from(await packFiles(files, user), "base64");
  const container = await docker.createContainer({
    Image: image,
    User: `${user.uid}:${user.gid}`,
    // Secrets come on standard input, because everybody who may ask the engine sees arguments and variables.
    Entrypoint: ["sh", "-c", `tar -xf - -C ${SECRETS} && exec "$@"`, "sh"],
    Cmd: [...ROOM_PROGRAM, ...args],
    Env: [...environment],
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      // What it says may hold the stack's passphrase, and a log of the engine may be kept elsewhere. It goes by itself, too,
      // where this process is killed.
      LogConfig: { Type: "none", Config: {} },
      AutoRemove: true,
      Binds: volume === undefined ? [] : [`${volume.name}:${volume.folder}`],
      ...(network === undefined ? {} : { NetworkMode: network }),
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Memory: 512 * 1024 * 1024,
      PidsLimit: 128,
      Init: true,
      Tmpfs: Object.fromEntries(
        [SECRETS, "/run/room", "/tmp"].map((path) => [
          path,
          `size=16m,mode=0700,uid=${user.uid},gid=${user.gid}`,
        ]),
      ),
    },
  });
  try {
    const stream = await container.attach({
      stream: true,
      hijack: true,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    const hearing = hear(docker, stream, onEvent);
    // Asked before it starts, because afterwards it may be gone.
    const ended = container.wait({ condition: "next-exit" }) as Promise<{ StatusCode: number }>;
    ended.catch(() => undefined);
    await container.start();
    stream.end(secrets);
    const { last, lastError } = await hearing;
    const { StatusCode } = await ended;
    if (StatusCode === 0 && last?.event === "done") return last as Answer;
    if (last?.event === "error") throw new OpsError(last.what, last.remedy);
    throw new OpsError(
      `The backup room gave up with exit code ${StatusCode}: ${lastError}`,
      "Run this again.",
      exit.failed,
    );
  } finally {
    // It goes by itself when it has ended; the engine says 409 while it is at that.
    await unlessGone(container.remove({ force: true, v: true })).catch((error: { statusCode?: number }) => {
      if (error.statusCode !== 409) throw error;
    });
  }
}
