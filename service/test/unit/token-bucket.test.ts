/** The token bucket. */
import { strict as assert } from "node:assert";
import { TokenBucket } from "../../src/platform/token-bucket.ts";

describe("TokenBucket", () => {
  it("lets the burst through, then the rate, and says when the next may pass", () => {
    let now = 0;
    const bucket = new TokenBucket(60, 3, () => now);
    assert.deepEqual([bucket.take(), bucket.take(), bucket.take()], [0, 0, 0]);
    assert.equal(bucket.take(), 1000);
    now = 400;
    assert.equal(bucket.take(), 600);
    now = 1000;
    assert.equal(bucket.take(), 0);
    assert.ok(bucket.take() > 0);
  });

  it("saves up no more than the burst", () => {
    let now = 0;
    const bucket = new TokenBucket(6000, 2, () => now);
    now = 3_600_000;
    assert.deepEqual([bucket.take(), bucket.take(), bucket.take() > 0], [0, 0, true]);
  });
});
