/** Shows on standard error what the backup room does: a line for each step, and on a terminal how far it is. */
import type { RoomEvent } from "../../engine/backup-room.ts";
import { bytes, note } from "../../terminal/output.ts";

/** Pure: "12.0 MiB of 40.0 MiB". What a dump will be is not known, so a larger one shows no more than its size. */
export const howFar = (done: number, of: number): string =>
  done <= of ? `${bytes(done)} of ${bytes(of)}` : bytes(done);

export function showEvents(stream: NodeJS.WriteStream = process.stderr): (event: RoomEvent) => void {
  let open = false;
  const close = (): void => {
    if (open) stream.write("\r\u001b[K");
    open = false;
  };
  return (event) => {
    if (event.event === "progress") {
      if (!stream.isTTY) return;
      stream.write(`\r\u001b[K    ${howFar(event.bytes, event.of)}`);
      open = true;
      return;
    }
    close();
    if (event.event === "step")
      note(`  ${event.text}${event.of === undefined ? "" : ` (${bytes(event.of)})`}`);
    if (event.event === "left") note(`  ${event.text}`);
  };
}
