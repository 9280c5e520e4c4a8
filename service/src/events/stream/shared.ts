/** Bytes for many streams: encoded once, in each form that they need. */
export class Shared {
  readonly plain: Buffer;
  #chunked: Buffer | undefined;

  constructor(plain: Buffer) {
    this.plain = plain;
  }

  get length(): number {
    return this.plain.length;
  }

  /** As one chunk of a chunked body (RFC 9112 7.1). */
  get chunked(): Buffer {
    const { plain } = this;
    return (this.#chunked ??= Buffer.concat([
      Buffer.from(`${plain.length.toString(16)}\r\n`),
      plain,
      Buffer.from("\r\n"),
    ]));
  }
}
