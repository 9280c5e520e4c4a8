import { createHash } from "node:crypto";
import type { RedisClient } from "../../platform/redis.ts";

/**
 * The log's two scripts. Scripts, because epoch, counter and entry have to change in one step: with single commands, a
 * flush in between would put an entry of the new log under the old one's epoch.
 *
 * KEYS 1: a hash {epoch, count}; 2: the stream. An entry carries its epoch (e) and number (n), so that a reader sees
 * both change without asking. An epoch ends when either key is gone.
 */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

const openEpoch = `
local epoch, count = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'count'))
local kept = redis.call('EXISTS', KEYS[2]) == 1
if not epoch or not count or (not kept and count ~= '0') then
  epoch, count = ARGV[1], '0'
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'count', count)
end
`;

/**
 * KEYS 3, optional: what a publisher's idempotency key led to, "<fingerprint> <epoch> <id>". It is written in the same
 * step as the entry, and so is in the append-only file with it or not at all. One of an epoch that has ended does not
 * count: its entry is gone, and appending does not make a second one.
 *
 * KEYS 4: a ring, by turns, of the newest of those keys: where a new one comes in, the one that was there goes. So they
 * are bounded whatever publishers send, and the memory that the log needs stays the log's.
 *
 * ARGV: epoch to take if there is none, retention, topic, type, data; with KEYS 3 also fingerprint, seconds to keep it,
 * length of the ring.
 * @returns [epoch, id], or ["", ""] when the key was used for another event.
 */
export const appendScript = script(`${openEpoch}
local known
if KEYS[3] then
  known = redis.call('GET', KEYS[3])
  local print, knownEpoch, knownId = string.match(known or '', '^(%S+) (%S+) (%S+)$')
  if knownEpoch == epoch then
    if print ~= ARGV[6] then return {'', ''} end
    return {epoch, knownId}
  end
end
local n = redis.call('HINCRBY', KEYS[1], 'count', 1)
local id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*',
  'e', epoch, 'n', n, 't', ARGV[3], 'y', ARGV[4], 'd', ARGV[5])
if KEYS[3] then
  if not known then
    local turn = redis.call('HINCRBY', KEYS[4], 'turn', 1) % tonumber(ARGV[8])
    local oldest = redis.call('HMGET', KEYS[4], turn)[1]
    if oldest then redis.call('DEL', oldest) end
    redis.call('HSET', KEYS[4], turn, KEYS[3])
  end
  redis.call('SET', KEYS[3], ARGV[6] .. ' ' .. epoch .. ' ' .. id, 'EX', ARGV[7])
end
return {epoch, id}
`);

/**
 * ARGV: epoch to take if there is none, mode (state, page, tail), id (page), limit.
 * @returns [epoch, count, first id or "", last id, length, entries oldest first (tail: newest first)]
 */
export const readScript = script(`${openEpoch}
local first, last, length = '', '0-0', 0
local entries = {}
if kept then
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #info, 2 do
    if info[i] == 'length' then length = info[i + 1] end
    if info[i] == 'last-generated-id' then last = info[i + 1] end
    if info[i] == 'first-entry' and info[i + 1] then first = info[i + 1][1] end
  end
  if ARGV[2] == 'page' then
    entries = redis.call('XRANGE', KEYS[2], '(' .. ARGV[3], '+', 'COUNT', ARGV[4])
  elseif ARGV[2] == 'tail' and ARGV[4] ~= '0' then
    entries = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[4])
  end
end
return {epoch, count, first, last, length, entries}
`);

/** Runs a script by its hash, and with its text when the server does not know it (any more). */
export async function evaluate(
  client: RedisClient,
  { text, sha }: Script,
  keys: string[],
  args: string[],
): Promise<unknown> {
  try {
    return await client.evalSha(sha, { keys, arguments: args });
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
    return client.eval(text, { keys, arguments: args });
  }
}
