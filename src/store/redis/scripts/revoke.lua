-- Joins one revocation into the set.
-- ARGV  key: 16 bytes; issued_through and retain_until: ms, 9007199254740991 is for ever; an epoch, should there be none;
--       the epoch that must be there, '' for any; the id of an entry of the feed, '' for none;
--       '1' to write something in any case, so that a WAIT after this covers what was written earlier
-- Returns 1 if tokens are revoked that were not revoked before, else 0; epoch; seq; the id of the last entry of the feed;
--         the last entry at or before the one asked for, as it was before.
local FOREVER = 9007199254740991
local FEED_LASTS_MS = 600000
local key, issued_through, retain_until, epoch = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local expected, known, touch = ARGV[5] or '', ARGV[6] or '', ARGV[7] == '1'

local function is_instant(n)
  return n and n >= 0 and n <= FOREVER and n == math.floor(n)
end
if #key ~= 16 or not is_instant(issued_through) or not is_instant(retain_until) or not epoch or epoch == '' then
  return redis.error_reply('ERR tower-logout: a revocation is a key of 16 bytes, two instants in ms and an epoch')
end

local found = condition()
if found ~= 'whole' and found ~= 'empty' then
  return redis.error_reply('NOTWHOLE ' .. found)
elseif expected ~= '' and redis.call('HGET', meta, 'epoch') ~= expected then
  return redis.error_reply('REPLACED the epoch is another')
elseif found == 'empty' then
  create(epoch)
end
local before = known ~= '' and redis.call('XREVRANGE', feed, known, '-', 'COUNT', 1) or {}

local time = now()
prune(time, 100)

local changed, newly = false, 0
local purged_through = tonumber(redis.call('HGET', meta, 'purged_through') or '0')
if purged_through == 0 or retain_until > purged_through then
  local known_until = tonumber(redis.call('ZSCORE', live, key) or '-1')
  local known_through = -1
  if known_until >= 0 then
    -- What is not of one token always has an instant. Without it, it is half of what was there.
    known_through = tonumber(redis.call('HGET', through, key) or (string.byte(key) > 2 and -1 or FOREVER))
  end
  if issued_through > known_through then
    newly = 1
  end
  changed = newly == 1 or retain_until > known_until
  issued_through = math.max(issued_through, known_through)
  retain_until = math.max(retain_until, known_until)
end

if changed then
  redis.call('ZADD', live, text(retain_until), key)
  if issued_through < FOREVER or string.byte(key) > 2 then
    redis.call('HSET', through, key, text(issued_through))
  else
    redis.call('HDEL', through, key)
  end
  local n = redis.call('HINCRBY', meta, 'seq', 1)
  local oldest = text(math.max(0, time - FEED_LASTS_MS))
  local last = redis.call('XADD', feed, 'MINID', '~', oldest, '*', 'n', text(n), 'k', key, 't', text(issued_through), 'r', text(retain_until))
  note('last', last)
elseif touch then
  redis.call('HSET', meta, 'epoch', redis.call('HGET', meta, 'epoch'))
end
local place = redis.call('HMGET', meta, 'epoch', 'seq', 'last')
return { newly, place[1], place[2], place[3], before }
