/** What a command gets on its standard input, read again. */
import { extract } from "tar-stream";

export interface Entry {
  name: string;
  type: string;
  mode: number;
  uid: number;
  gid: number;
  content: string;
}

/** The entries of a tar in base64, as they come. */
export async function unpack(base64: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  const tar = extract();
  tar.end(Buffer.from(base64, "base64"));
  for await (const entry of tar) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const { name, type, mode, uid, gid } = entry.header;
    entries.push({
      name,
      type: String(type),
      mode: mode ?? -1,
      uid: uid ?? -1,
      gid: gid ?? -1,
      content: Buffer.concat(chunks).toString(),
    });
  }
  return entries;
}
