/** The Lua scripts of the event log in Redis. */
import { createHash } from "node:crypto";
import type { RedisClient } from "../../platform/redis.ts";
import { ENTRY_OVERHEAD } from "./log.ts";

/** So much of the budget is freed at once when it is used up: whole stretches, seldom. */
const SLACK_SHARE = 1 / 8;
/** How many marks a full budget has: how long the stretches are. */
const MARKS = 64;

/** Among how many lanes publishers with idempotency keys are spread. */
export const LANES = 16;
/** How many keys go with one append, where there are too many because fewer are kept than before. */
const KEYS_AT_ONCE = 100;

/**
 * The log needs scripts because epoch, counter and entry have to change in one step: with single commands, a flush in
 * between would put an entry of the new log under the epoch of the old one.
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

const OPEN_EPOCH = `
local epoch, count = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'count'))
local kept = redis.call('EXISTS', KEYS[2]) == 1
if not epoch or not count or (not kept and count ~= '0') then
  epoch, count = ARGV[1], '0'
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'count', count)
end
`;

/**
 * The budget in bytes. Each append counts what it adds (`bytes`, of the epoch), and every so often leaves a mark, "<id>
 * <bytes before it>", in a list. To make room, the oldest marks are taken and all before them is trimmed: so no entry has
 * to be read to know how long it is, and what goes are whole stretches, well before the memory ends. `floor` is what was
 * counted before the oldest entry that is kept.
 *
 * `counted` is the number of the last entry that was counted. Where it is not the one before, something else has appended
 * (another version of this service, a log from before there was a budget): then the memory itself is measured, and
 * counting goes on from there. What was there before has no marks. Of such a stretch as many entries are trimmed as its
 * share of the memory says, and the memory is measured again: never the whole of it at once.
 *
 * The retention trims too. So whenever a mark is left, those whose entries it has trimmed go, and `floor` follows.
 */
const COUNTING = `
local function measured()
  return tonumber(redis.call('MEMORY', 'USAGE', KEYS[2], 'SAMPLES', '0') or 0)
end
local function oldest_mark()
  local id, at = string.match(redis.call('LINDEX', KEYS[3], 0) or '', '^(%S+) (%S+)$')
  return id, tonumber(at)
end
local function is_before(left, right)
  local ms, seq = string.match(left, '^(%d+)-(%d+)$')
  local right_ms, right_seq = string.match(right, '^(%d+)-(%d+)$')
  if ms == right_ms then return tonumber(seq) < tonumber(right_seq) end
  return tonumber(ms) < tonumber(right_ms)
end
local function drop_oldest_mark(at)
  redis.call('LPOP', KEYS[3])
  floor = math.max(floor, at)
end
`;

/**
 * KEYS 3: the list of marks. KEYS 4, optional: the entry of an idempotency key, "<fingerprint> <epoch> <id>". It
 * is written in the same step as the entry, and so is in the append-only file with it or not at all. One of an epoch that
 * has ended does not count: its entry is gone, and appending does not make a second one.
 *
 * KEYS 5: how many of those keys are kept, in all and in each lane, a publisher's lane being one of a few. Beside it a list
 * for each lane, "<key> <ms when it was set>". When there are too many, the oldest of the longest lane goes, or of the
 * publisher's own where that has more than its share: so keys are bounded whatever publishers send, the memory that the log
 * needs stays the log's, and a flood pushes out its own keys. A key that was set again, because it had expired or its epoch
 * has ended, is at two places, and only the later one may remove it.
 *
 * KEYS 6: where earlier versions of the service kept their places. They may still run, so it stays for as long as a key.
 *
 * ARGV: epoch to take if there is none, retention, topic, type, data, the budget in bytes; with KEYS 4 also fingerprint,
 * seconds to keep it, how many keys are kept, the lane.
 * @returns [epoch, id], or ["", ""] when the key was used for another event.
 */
export const appendScript = script(`${OPEN_EPOCH}
local known
if KEYS[4] then
  known = redis.call('GET', KEYS[4])
  local print, knownEpoch, knownId = string.match(known or '', '^(%S+) (%S+) (%S+)$')
  if knownEpoch == epoch then
    if print ~= ARGV[7] then return {'', ''} end
    -- A write, so that this connection waits for the disk too: the call that appended the event may not have seen it there.
    -- One that a full Redis does not refuse, and that changes nothing.
    redis.call('PEXPIRE', KEYS[4], redis.call('PTTL', KEYS[4]))
    return {epoch, knownId}
  end
end
local budget = tonumber(ARGV[6])
local bytes, floor, mark, counted = unpack(redis.call('HMGET', KEYS[1], 'bytes', 'floor', 'mark', 'counted'))
${COUNTING}
if counted == count then
  bytes, floor, mark = tonumber(bytes), tonumber(floor), tonumber(mark)
else
  redis.call('DEL', KEYS[3])
  bytes, floor, mark = kept and redis.call('XLEN', KEYS[2]) > 0 and measured() or 0, 0, nil
end
local size = #ARGV[3] + #ARGV[4] + #ARGV[5] + ${ENTRY_OVERHEAD}
if bytes - floor + size > budget then
  local goal, before = math.max(0, budget * ${1 - SLACK_SHARE} - size)
  local id, at = oldest_mark()
  while at and bytes - floor > goal and at - floor <= budget * ${SLACK_SHARE} do
    drop_oldest_mark(at)
    before = id
    id, at = oldest_mark()
  end
  if before then redis.call('XTRIM', KEYS[2], 'MINID', before) end
  local length = redis.call('XLEN', KEYS[2])
  while bytes - floor > goal and length > 0 do
    length = math.floor(length * goal / (bytes - floor))
    redis.call('XTRIM', KEYS[2], 'MAXLEN', length)
    floor = bytes - (length > 0 and measured() or 0)
  end
end
local n = redis.call('HINCRBY', KEYS[1], 'count', 1)
local id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*',
  'e', epoch, 'n', n, 't', ARGV[3], 'y', ARGV[4], 'd', ARGV[5])
if not mark or bytes - mark >= budget / ${MARKS} then
  local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1][1]
  local oldest, at = oldest_mark()
  while oldest and is_before(oldest, first) do
    drop_oldest_mark(at)
    oldest, at = oldest_mark()
  end
  redis.call('RPUSH', KEYS[3], id .. ' ' .. string.format('%.0f', bytes))
  mark = bytes
end
local number = function(value) return string.format('%.0f', value) end
redis.call('HSET', KEYS[1], 'bytes', number(bytes + size), 'floor', number(floor), 'mark', number(mark), 'counted', n)
if KEYS[4] then
  local now = tonumber(string.match(id, '^%d+'))
  local most, lane = tonumber(ARGV[9]), ARGV[10]
  redis.call('RPUSH', KEYS[5] .. ':' .. lane, KEYS[4] .. ' ' .. string.format('%.0f', now))
  local own = redis.call('HINCRBY', KEYS[5], lane, 1)
  local all = redis.call('HINCRBY', KEYS[5], 'all', 1)
  if redis.call('PTTL', KEYS[6]) == -1 then redis.call('EXPIRE', KEYS[6], ARGV[8]) end
  for _ = 1, math.min(all - most, ${KEYS_AT_ONCE}) do
    local longest, length = lane, own
    if own <= most / ${LANES} then
      local counts = redis.call('HGETALL', KEYS[5])
      for at = 1, #counts, 2 do
        local count = tonumber(counts[at + 1])
        if counts[at] ~= 'all' and count > length then longest, length = counts[at], count end
      end
    end
    local oldest, at = string.match(redis.call('LPOP', KEYS[5] .. ':' .. longest) or '', '^(%S+) (%d+)$')
    redis.call('HINCRBY', KEYS[5], longest, -1)
    redis.call('HINCRBY', KEYS[5], 'all', -1)
    if longest == lane then own = own - 1 end
    -- What lives longer than this place says was set again later, and has another place.
    if oldest and redis.call('PTTL', oldest) <= at + ARGV[8] * 1000 - now + 1000 then redis.call('DEL', oldest) end
  end
  redis.call('SET', KEYS[4], ARGV[7] .. ' ' .. epoch .. ' ' .. id, 'EX', ARGV[8])
end
return {epoch, id}
`);

/**
 * ARGV: epoch to take if there is none; mode (state, page, tail); page: the id to begin after, tail: the id to end before,
 * or nothing; most entries, most bytes, entries at a time. Redis can limit a range by count only, and entries are as long
 * as their publishers like: so it is asked for a few at a time, and what is over the bytes is at most that few.
 * @returns [epoch, count, first id or "", last id, length, bytes, entries oldest first (tail: newest first)]
 */
export const readScript = script(`${OPEN_EPOCH}
local first, last, length, bytes = '', '0-0', 0, 0
local entries = {}
if kept then
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #info, 2 do
    if info[i] == 'length' then length = info[i + 1] end
    if info[i] == 'last-generated-id' then last = info[i + 1] end
    if info[i] == 'first-entry' and info[i + 1] then first = info[i + 1][1] end
  end
  local sum, floor = unpack(redis.call('HMGET', KEYS[1], 'bytes', 'floor'))
  bytes = tonumber(sum or 0) - tonumber(floor or 0)
  local from, limit, room, few = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  while ARGV[2] ~= 'state' and limit > 0 and room > 0 do
    local asked = math.min(few, limit)
    local part
    if ARGV[2] == 'page' then
      part = redis.call('XRANGE', KEYS[2], '(' .. from, '+', 'COUNT', asked)
    else
      part = redis.call('XREVRANGE', KEYS[2], from == '' and '+' or '(' .. from, '-', 'COUNT', asked)
    end
    for _, entry in ipairs(part) do
      entries[#entries + 1] = entry
      for _, text in ipairs(entry[2]) do room = room - #text end
    end
    limit = limit - asked
    if #part < asked then break end
    from = part[#part][1]
  end
end
return {epoch, count, first, last, length, bytes, entries}
`);

/** Runs a script by its hash. @throws what Redis says; see isUnknownScript. */
export const runByHash = (
  client: RedisClient,
  { sha }: Script,
  keys: string[],
  args: string[],
): Promise<unknown> => client.evalSha(sha, { keys, arguments: args });

/** Whether the server does not know a script by its hash. Nothing of the script was done then. */
export const isUnknownScript = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith("NOSCRIPT");

/** Runs a script by its hash, or by its text when the server does not know it. */
export async function evaluate(
  client: RedisClient,
  script: Script,
  keys: string[],
  args: string[],
): Promise<unknown> {
  try {
    return await runByHash(client, script, keys, args);
  } catch (error) {
    if (!isUnknownScript(error)) throw error;
    return client.eval(script.text, { keys, arguments: args });
  }
}
