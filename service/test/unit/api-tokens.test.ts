/** Requests with one API token that come together. */
import { strict as assert } from "node:assert";
import type { Request, Response } from "express";
import type pg from "pg";
import { identify, newTokenTurns, type IdentifyParts } from "../../src/auth/http/identify.ts";
import { ApiTokens } from "../../src/auth/stores/api-tokens.ts";
import { RateLimit } from "../../src/platform/rate-limit.ts";

describe("API tokens", () => {
  it("are looked up by those that came first, and remembered by the others that waited", async () => {
    let asked = 0;
    const row = {
      ...{ id: "t", user_id: "u", user_name: "ada", scopes: ["events:read"] },
      ...{ expires_at: new Date(Date.now() + 60_000), used_lately: true, is_good: true },
    };
    const client = {
      query: async () => {
        asked++;
        await new Promise((resolve) => setImmediate(resolve));
        return { rows: [row] };
      },
      release: () => undefined,
    };
    const pool = { connect: () => Promise.resolve(client) } as unknown as pg.Pool;
    const parts: Partial<IdentifyParts> = {
      ...{ mode: "token", apiTokens: new ApiTokens(pool), tokenTurns: newTokenTurns(), trustProxyHops: 0 },
      badTokens: new RateLimit({ name: "bad-tokens", points: 5, windowSeconds: 60, batch: 1 }, undefined),
    };
    const isKnown = async (): Promise<boolean> => {
      const request = {
        get: (name: string) => (name === "authorization" ? `Bearer omniai_pat_${"a".repeat(43)}` : undefined),
        ...{ method: "GET", headers: {}, socket: { remoteAddress: "203.0.113.1" } },
      } as unknown as Request;
      const response = { locals: {}, destroyed: false } as unknown as Response;
      await identify(parts as IdentifyParts, { renews: false })(request, response, () => undefined);
      return (response.locals["principal"] as { userId?: string }).userId === "u";
    };
    const known = await Promise.all(Array.from({ length: 100 }, isKnown));
    assert.ok(known.every(Boolean));
    assert.ok(asked <= 4, `PostgreSQL was asked ${asked} times`);
  });
});
