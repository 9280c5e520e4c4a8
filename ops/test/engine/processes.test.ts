/** Who listens on a port. */
import { strict as assert } from "node:assert";
import { listeningInodes } from "../../engine/processes.ts";

describe("/proc/net/tcp", () => {
  it("says who listens, not who is connected", () => {
    const head =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    const row = (state: string, inode: number): string =>
      `   0: 0100007F:1F90 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  0 0 ${inode} 1`;
    assert.deepEqual(listeningInodes([head, row("0A", 11), row("01", 12)].join("\n"), 8080), ["11"]);
    assert.deepEqual(listeningInodes([head, row("0A", 11)].join("\n"), 8081), []);
  });
});
