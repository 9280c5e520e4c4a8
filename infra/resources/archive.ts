/** A tar of a few small files. The same files give the same bytes, so that unchanged files are no change. */
import { createHash } from "node:crypto";
import { pack } from "tar-stream";

/** One file of an archive. */
export interface ArchiveFile {
  readonly content: string;
  /** Permission bits; default 0o400: readable by its owner only. */
  readonly mode?: number;
}

/** The same, for what is no text. */
export interface BinaryFile extends Omit<ArchiveFile, "content"> {
  readonly content: Buffer;
}

/** The owner of every file and folder in an archive, as numbers. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Packs files into a tar, in the order of their paths and with no time in it.
 * @param files by relative path ("tls/key.pem"); parent folders are made with mode 0o755.
 * @returns the tar in base64, because a command takes text on its standard input.
 */
export const packFiles = async (
  files: Readonly<Record<string, ArchiveFile | BinaryFile>>,
  owner: Owner,
): Promise<string> => (await packTar(files, owner)).toString("base64");

/** The same tar, as bytes. */
export async function packTar(
  files: Readonly<Record<string, ArchiveFile | BinaryFile>>,
  owner: Owner,
): Promise<Buffer> {
  const tar = pack();
  const common = { uid: owner.uid, gid: owner.gid, mtime: new Date(0) };
  // The root folder comes first, so that its owner may add files to it later.
  tar.entry({ ...common, name: ".", type: "directory", mode: 0o755 });
  const folders = new Set<string>();
  for (const path of Object.keys(files).sort()) {
    for (const folder of parents(path)) {
      if (!folders.has(folder)) tar.entry({ ...common, name: folder, type: "directory", mode: 0o755 });
      folders.add(folder);
    }
    const file = files[path];
    if (file) tar.entry({ ...common, name: path, mode: file.mode ?? 0o400 }, file.content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function parents(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

/** The first 12 hex digits of a SHA-256: a name for some content, which reveals nothing about it. */
export const contentHash = (content: string): string =>
  createHash("sha256").update(content).digest("hex").slice(0, 12);
