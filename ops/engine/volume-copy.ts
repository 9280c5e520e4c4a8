/**
 * Copies the files of a volume from one engine to another, through this process: no engine has to reach the other. Each end is a
 * short-lived container that sees this volume and no network.
 */
import type Docker from "dockerode";
import { IDENTITY_FILE, MOVED_FILE } from "../../infra/resources/identity.ts";
import { COPY_LABEL } from "../../infra/resources/labels.ts";
import { OpsError } from "../terminal/errors.ts";
import { unlessGone } from "./connection.ts";

/** One end of a copy. */
export interface End {
  readonly docker: Docker;
  /** Its address, for messages. */
  readonly name: string;
  /** An image on that engine with sh, GNU tar and find: PostgreSQL's. */
  readonly image: string;
}

/** A program that both ends have, as tar starts it: much of a database is compressed well, and the way may be slow. */
const COMPRESSION = "zstd -1 -q";
const HAS_COMPRESSION = "command -v zstd || true";

/** The identity is no part of a copy: it arrives last, so that no server starts on a part of the data. */
const OTHERS = `! -path ./${IDENTITY_FILE} ! -path ./${MOVED_FILE}`;

/**
 * The files that were written or changed since SINCE, in seconds of the engine's own clock, all folders, and with NAMED the paths on
 * standard input. While servers write, files change or go under tar's hands, and it ends with 1: the last pass, which is compared,
 * brings those again.
 */
const SEND = `cd /volume
changed() {
  find . ${OTHERS} \\( -type d -o -newerct "@$SINCE" -o -newermt "@$SINCE" \\) -print0 2>/dev/null
}
if [ "$NAMED" = yes ]; then { cat; changed; } | sort -zu; else changed; fi |
  tar --null --no-recursion --numeric-owner --ignore-failed-read --warning=no-file-changed --warning=no-file-removed \\
    \${COMPRESS:+-I "$COMPRESS"} -cf - -T -
code=$?
[ "$code" != 1 ] || code=0
exit "$code"`;

/** On the disk when it ends: the other end gives its data up for it. */
const RECEIVE = `cd /volume && tar \${COMPRESS:+-I "$COMPRESS"} --numeric-owner -xpf - && sync -f .`;

/** Kind, size and time in whole seconds, which is what tar keeps, and the path. A folder's size and time are its own at each end. */
const DESCRIBE = `find . -mindepth 1 ${OTHERS} \\( -type d -printf 'd 0 0 %p\\0' -o -printf '%y %s %T@ %p\\0' \\) |
  sed -z -E 's/^(. [0-9]+ -?[0-9]+)[.][0-9]+ /\\1 /' | sort -z`;

const LIST = `cd /volume
${DESCRIBE}`;

/**
 * Removes what is not in the list on standard input, or is of another kind there, and writes the paths of what is in it and is not so
 * here. A file whose folder got another name has not changed itself: no time of it says that it has to come under that name. The
 * folder's own time would say so, but it is as new where a single entry of it came or went, as in every folder of a database.
 */
const PRUNE = `set -eu
cd /volume
cat > /tmp/there
cut -z -d ' ' -f 1,4- /tmp/there | sort -z > /tmp/kinds
find . -mindepth 1 -printf '%y %p\\0' | sort -z | comm -z -13 /tmp/kinds - | cut -z -d ' ' -f 2- > /tmp/gone
xargs -0r rm -rf -- < /tmp/gone
${DESCRIBE} | comm -z -23 /tmp/there - | cut -z -d ' ' -f 4-`;

/** A sum over the kinds, modes, owners, sizes and targets of everything, and with CONTENTS over every byte of every file. */
const SUM = `set -eu
cd /volume
{
  find . ${OTHERS} \\( -type d -printf '%y %m %U:%G %p\\0' -o -printf '%y %m %U:%G %s %l %p\\0' \\) | sort -z
  if [ "$CONTENTS" = yes ]; then find . ${OTHERS} -type f -print0 | sort -z | xargs -0r sha256sum --; fi
} | sha256sum`;

const NOW = "date +%s";

const FENCE = `set -eu
cd /volume
if [ -e ${IDENTITY_FILE} ]; then mv ${IDENTITY_FILE} ${MOVED_FILE}; sync -f .; fi
cat ${MOVED_FILE}`;

const UNFENCE = `set -eu
cd /volume
if [ -e ${MOVED_FILE} ]; then mv ${MOVED_FILE} ${IDENTITY_FILE}; sync -f .; fi`;

/** The identity keeps the owner of the folder that it is in. */
const IDENTIFY = `set -eu
cd /volume
cat > ${IDENTITY_FILE}.new
chown --reference=. ${IDENTITY_FILE}.new
mv ${IDENTITY_FILE}.new ${IDENTITY_FILE}
sync -f .`;

/** The engine frames what a container writes: the stream, three zeros, the length of what follows. */
export async function* framesOf(
  stream: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly error: boolean; readonly data: Buffer }> {
  let header = Buffer.alloc(0);
  let error = false;
  let left = 0;
  for await (let part of stream) {
    while (part.length > 0) {
      if (left > 0) {
        const data = part.subarray(0, left);
        left -= data.length;
        part = part.subarray(data.length);
        yield { error, data };
        continue;
      }
      const missing = 8 - header.length;
      header = Buffer.concat([header, part.subarray(0, missing)]);
      part = part.subarray(missing);
      if (header.length < 8) break;
      error = header[0] === 2;
      left = header.readUInt32BE(4);
      header = Buffer.alloc(0);
    }
  }
}

interface Task {
  readonly volume: string;
  readonly script: string;
  readonly env?: Readonly<Record<string, string>>;
  /** False where it changes the volume. */
  readonly looks: boolean;
  readonly input?: AsyncIterable<Buffer>;
}

/** Runs a script at one end, and gives what it writes on standard output as it comes. @throws OpsError where it fails */
async function* runAt({ docker, image, name }: End, task: Task): AsyncGenerator<Buffer> {
  const { volume, script, env = {}, looks, input } = task;
  const { Config } = await docker.getImage(image).inspect();
  const container = await docker.createContainer({
    Image: image,
    User: "0:0",
    Entrypoint: ["sh", "-c", script],
    Cmd: [],
    Labels: { [COPY_LABEL]: volume },
    Env: ["LC_ALL=C", ...Object.entries(env).map(([key, value]) => `${key}=${value}`)],
    OpenStdin: input !== undefined,
    StdinOnce: input !== undefined,
    HostConfig: {
      AutoRemove: true,
      // "nocopy": an empty volume stays empty until something is brought.
      Binds: [`${volume}:/volume:${looks ? "ro,nocopy" : "nocopy"}`],
      NetworkMode: "none",
      ReadonlyRootfs: true,
      LogConfig: { Type: "none", Config: {} },
      // Files of every owner are read and written with their owners.
      CapDrop: ["ALL"],
      CapAdd: looks ? ["DAC_OVERRIDE"] : ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
      SecurityOpt: ["no-new-privileges:true"],
      PidsLimit: 64,
      Init: true,
      Tmpfs: Object.fromEntries(["/tmp", ...Object.keys(Config.Volumes ?? {})].map((path) => [path, ""])),
    },
  });
  let complaint = "";
  try {
    const stream = await container.attach({
      ...{ stream: true, hijack: true, stdout: true, stderr: true },
      stdin: input !== undefined,
    });
    const ended = container.wait({ condition: "next-exit" }) as Promise<{ StatusCode: number }>;
    ended.catch(() => undefined);
    await container.start();
    const fed = feed(stream, input);
    let broken: unknown;
    try {
      for await (const { error, data } of framesOf(stream as unknown as AsyncIterable<Buffer>)) {
        if (error) complaint = (complaint + data.toString("utf8")).slice(-2000);
        else yield data;
      }
    } catch (error) {
      broken = error;
    }
    const failed = (await fed) ?? broken;
    // Of two ends the one that failed by itself says why: the other one only has its connection closed.
    if (failed instanceof OpsError) throw failed;
    const code = await ended.then(
      ({ StatusCode }) => StatusCode,
      () => undefined,
    );
    if (code === 0 && failed === undefined) return;
    const why = code ? `exit code ${code}: ${complaint.trim()}` : explained(failed);
    throw cannotCopy(volume, name, why);
  } finally {
    // It goes by itself when it has ended. Where the engine does not answer, the next run removes it.
    await container.remove({ force: true, v: true }).catch(() => undefined);
  }
}

async function* once(all: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(all);
}

const explained = (error: unknown): string =>
  error instanceof Error ? error.message : "the connection to the engine has ended";

/** No faster than the other end takes it. @returns what it failed of */
async function feed(
  stream: NodeJS.ReadWriteStream,
  input: AsyncIterable<Buffer> | undefined,
): Promise<unknown> {
  if (input === undefined) return undefined;
  const broken = new Promise<never>((_, reject) => {
    for (const event of ["error", "close"])
      stream.on(event, () => reject(new Error("the connection to the engine has ended")));
  });
  broken.catch(() => undefined);
  try {
    for await (const part of input) {
      if (!stream.write(part))
        await Promise.race([new Promise((resolve) => stream.once("drain", resolve)), broken]);
    }
    stream.end();
    return undefined;
  } catch (error) {
    // Without an end: what has come of it is not taken for all.
    (stream as unknown as { destroy(): void }).destroy();
    return error;
  }
}

const cannotCopy = (volume: string, name: string, why: string): OpsError =>
  new OpsError(
    `Volume ${volume} could not be worked on at ${name}: ${why}`,
    "Look whether that machine is reached and its disk has space, and run the command again.",
  );

async function bytesOf(parts: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all);
}

const textOf = async (parts: AsyncIterable<Buffer>): Promise<string> =>
  (await bytesOf(parts)).toString("utf8");

/**
 * Ends what a killed run has left at an end: a container that was made and not started stays, and holds its volume. To be called by who
 * has the stack's lock.
 */
export async function endCopies({ docker }: Pick<End, "docker">, volumes: readonly string[]): Promise<void> {
  const label = [COPY_LABEL];
  for (const { Id, Labels } of await docker.listContainers({ all: true, filters: { label } }))
    if (volumes.includes(Labels[COPY_LABEL] ?? ""))
      await unlessGone(docker.getContainer(Id).remove({ force: true, v: true })).catch(
        (error: { statusCode?: number }) => {
          if (error.statusCode !== 409) throw error;
        },
      );
}

/** Makes the volume where it is not there, as the program declares it: a label that differs would replace it. */
async function ensureVolume({ docker: from }: End, { docker: to }: End, volume: string): Promise<void> {
  if ((await unlessGone(to.getVolume(volume).inspect())) !== undefined) return;
  const { Labels } = await from.getVolume(volume).inspect();
  await to.createVolume({ Name: volume, Labels: { ...Labels } });
}

export interface Copied {
  readonly bytes: number;
  /** The time of the first engine when it began, in seconds: what is written from then on is not sure to be in it. */
  readonly began: number;
}

/** A second of the engine's clock is a second; more costs nothing but some files that are copied once more. */
const MARGIN_SECONDS = 5;

/** Asked once for each pair of ends. */
const compressions = new WeakMap<End, Promise<string>>();
function compressionOf(from: End, to: End, volume: string): Promise<string> {
  const known = compressions.get(to);
  if (known !== undefined) return known;
  const has = (end: End): Promise<string> =>
    textOf(runAt(end, { volume, script: HAS_COMPRESSION, looks: true }));
  const found = Promise.all([has(from), has(to)]).then((both) => (both.includes("") ? "" : COMPRESSION));
  compressions.set(to, found);
  found.catch(() => compressions.delete(to));
  return found;
}

/** @param paths to send as well, each ended by a zero, in the bytes that they have. @returns how many bytes went over. */
async function transfer(from: End, to: End, volume: string, SINCE: string, paths?: Buffer): Promise<number> {
  const COMPRESS = await compressionOf(from, to, volume);
  let bytes = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    const env = { SINCE, COMPRESS, NAMED: paths === undefined ? "no" : "yes" };
    const input = paths && once(paths);
    for await (const part of runAt(from, { volume, script: SEND, env, looks: true, input })) {
      bytes += part.length;
      yield part;
    }
  }
  await textOf(runAt(to, { volume, script: RECEIVE, env: { COMPRESS }, looks: false, input: counted() }));
  return bytes;
}

/** From when on a later copy has to look, for the pass before it. */
const sinceOf = (began: number | undefined): string =>
  String(began === undefined ? 0 : began - MARGIN_SECONDS);

/** Copies what has changed since an earlier copy, or everything. What is gone meanwhile stays at the other end; see `finishVolume`. */
export async function copyVolume(from: End, to: End, volume: string, since?: number): Promise<Copied> {
  await ensureVolume(from, to, volume);
  const began = Number(await textOf(runAt(from, { volume, script: NOW, looks: true })));
  return { began, bytes: await transfer(from, to, volume, sinceOf(since)) };
}

/** What a volume is at an end. @param contents whether every byte counts, or what the files are called and how large they are. */
const sumAt = (end: End, volume: string, contents: boolean): Promise<string> =>
  textOf(runAt(end, { volume, script: SUM, env: { CONTENTS: contents ? "yes" : "no" }, looks: true }));

/**
 * Does what the comparison of `finishVolume` does, for how long that takes. What comes out says nothing: servers write meanwhile.
 */
export async function tryComparison(from: End, to: End, volume: string, contents: boolean): Promise<void> {
  await Promise.all([sumAt(from, volume, contents), sumAt(to, volume, contents)]);
}

/**
 * Once nothing writes any more: brings the rest, removes what is gone, and compares both ends.
 * @param contents whether every byte is compared, or what the files are called and how large they are.
 * @param since when the last copy of it began; undefined: there is none. @returns how many bytes went over. @throws OpsError where they are not the same
 */
export async function finishVolume(
  from: End,
  to: End,
  volume: string,
  { since, contents }: { readonly since: number | undefined; readonly contents: boolean },
): Promise<number> {
  await ensureVolume(from, to, volume);
  const list = runAt(from, { volume, script: LIST, looks: true });
  const missing = await bytesOf(runAt(to, { volume, script: PRUNE, looks: false, input: list }));
  const bytes = await transfer(from, to, volume, sinceOf(since), missing);
  const [there, here] = await Promise.all([sumAt(from, volume, contents), sumAt(to, volume, contents)]);
  if (there !== here)
    throw new OpsError(
      `Volume ${volume} at ${to.name} is not what it is at ${from.name}: the copy is not used.`,
      "Run the command again: it copies all of it anew.",
    );
  return bytes;
}

/** Takes the identity from the data at one end: from here on no server starts on it. @returns the identity. @throws OpsError */
export async function fence(end: End, volume: string): Promise<string> {
  const identity = await textOf(runAt(end, { volume, script: FENCE, looks: false }));
  if (identity.trim() === "") throw cannotCopy(volume, end.name, "it did not say its identity");
  return identity;
}

/** Gives it back. */
export const unfence = async (end: End, volume: string): Promise<void> =>
  void (await textOf(runAt(end, { volume, script: UNFENCE, looks: false })));

/** Makes a copy that is whole the stack's data. @throws OpsError where the volume is gone: the engine would make an empty one */
export async function identify(end: End, volume: string, identity: string): Promise<void> {
  if ((await unlessGone(end.docker.getVolume(volume).inspect())) === undefined)
    throw new OpsError(
      `Volume ${volume}, which had been copied, is not at ${end.name} any more.`,
      "Bring it back there, or give the move up (--back): the old machine still has the data.",
    );
  const input = once(Buffer.from(identity));
  await textOf(runAt(end, { volume, script: IDENTIFY, looks: false, input }));
}
