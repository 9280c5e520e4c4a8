/** A file of JSON lines that survives a crash: what the event log of `npm run dev` is kept in. */
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { BEGINNING } from "../src/events/log/cursor.ts";

const idSchema = z.string().regex(/^\d{1,15}-\d{1,15}$/);

/** The first line: the epoch, and its position before the first entry that is kept. */
const headSchema = z.strictObject({ epoch: z.string(), count: z.int(), last: idSchema });
export type Head = z.output<typeof headSchema>;

/** Every other line: number, id, topic, type and data, with the hash of the idempotency key and the event's fingerprint. */
const recordSchema = z.strictObject({
  n: z.int(),
  id: idSchema,
  t: z.string(),
  y: z.string(),
  d: z.string(),
  once: z.string().optional(),
  print: z.string().optional(),
});
export type Record = z.output<typeof recordSchema>;

export interface Contents {
  readonly head: Head;
  readonly records: readonly Record[];
}

/** The head of a new log. Ids of another epoch never match it. */
export const newHead = (): Head => ({ epoch: randomBytes(5).toString("hex"), count: 0, last: BEGINNING });

/**
 * What `append` promised is on disk. Half a line at the end of the file, which was promised to nobody, is cut off when the
 * file is opened.
 */
export class Journal {
  readonly #path: string;
  #file: FileHandle;
  #size: number;
  /** True while the file may hold more than was promised. */
  #isRagged = false;

  private constructor(path: string, file: FileHandle, size: number) {
    this.#path = path;
    this.#file = file;
    this.#size = size;
  }

  /** Opens the file; one that is missing, or is not a journal, is begun anew. */
  static async open(path: string): Promise<{ journal: Journal; contents: Contents; wasKept: boolean }> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const text = await readFile(path, "utf8").catch(() => "");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    const contents = parse(whole);
    const file = await open(path, contents ? "r+" : "w", 0o600);
    const journal = new Journal(path, file, Buffer.byteLength(whole));
    if (contents) {
      await file.truncate(journal.#size);
      return { journal, contents, wasKept: true };
    }
    const fresh: Contents = { head: newHead(), records: [] };
    await journal.rewrite(fresh);
    return { journal, contents: fresh, wasKept: false };
  }

  /** Resolves when all records are on disk. When it rejects, none of them will be in the file. */
  async append(records: readonly Record[]): Promise<void> {
    if (this.#isRagged) await this.#file.truncate(this.#size);
    const bytes = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(""));
    this.#isRagged = true;
    await this.#file.write(bytes, 0, bytes.length, this.#size);
    await this.#file.datasync();
    this.#isRagged = false;
    this.#size += bytes.length;
  }

  /** Replaces the whole file in one step. */
  async rewrite({ head, records }: Contents): Promise<void> {
    const aside = `${this.#path}.new`;
    const file = await open(aside, "w", 0o600);
    const text = [head, ...records].map((line) => `${JSON.stringify(line)}\n`).join("");
    await file.writeFile(text);
    await file.datasync();
    await rename(aside, this.#path);
    await this.#file.close();
    this.#file = file;
    this.#size = Buffer.byteLength(text);
    this.#isRagged = false;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function parse(text: string): Contents | undefined {
  try {
    const [first = "", ...rest] = text.split("\n").slice(0, -1);
    const head = headSchema.parse(JSON.parse(first));
    const records = rest.map((line) => recordSchema.parse(JSON.parse(line)));
    const isWhole = records.every(({ n }, index) => n === head.count + index + 1);
    return isWhole ? { head, records } : undefined;
  } catch {
    return undefined;
  }
}
