/** Where the cache is. */
import { strict as assert } from "node:assert";
import { createContext } from "../context.ts";

describe("createContext", () => {
  for (const [env, cacheDir] of [
    [{ OMNIAI_CACHE: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" }, "/a"],
    [{ XDG_CACHE_HOME: "/b", HOME: "/c" }, "/b/omniai"],
    [{ HOME: "/c" }, "/c/.cache/omniai"],
  ] as const) {
    it(`keeps the cache in ${cacheDir} with ${JSON.stringify(env)}`, () =>
      assert.equal(createContext({ env }).cacheDir, cacheDir));
  }
});
