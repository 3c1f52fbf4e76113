-- Joins one revocation into the set.
-- KEYS  live, through, feed, meta
-- ARGV  key: 16 bytes; issued_through and retain_until: ms, 9007199254740991 is for ever; an epoch, should there be none;
--       '1' to write something in any case, so that a WAIT after this covers what was written earlier
-- Returns 1 if tokens are dead that were not dead before, else 0.
local FOREVER = 9007199254740991
local FEED_LASTS_MS = 600000
local live, through, feed, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local key, issued_through, retain_until, epoch = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

local function is_instant(n)
  return n and n >= 0 and n <= FOREVER and n == math.floor(n)
end
if #key ~= 16 or not is_instant(issued_through) or not is_instant(retain_until) or not epoch or epoch == '' then
  return redis.error_reply('ERR tower-logout: a revocation is a key of 16 bytes, two instants in ms and an epoch')
end

-- Lua writes great numbers in short: 1.7e+12. A double holds those here exactly.
local function text(n)
  return string.format('%.0f', n)
end

prune(live, through, meta, 100)

local changed, newly = false, 0
local purged_through = tonumber(redis.call('HGET', meta, 'purged_through') or '0')
if purged_through == 0 or retain_until > purged_through then
  local known_until = tonumber(redis.call('ZSCORE', live, key) or '-1')
  local known_through = -1
  if known_until >= 0 then
    known_through = tonumber(redis.call('HGET', through, key) or FOREVER)
  end
  if issued_through > known_through then
    newly = 1
  end
  changed = newly == 1 or retain_until > known_until
  issued_through = math.max(issued_through, known_through)
  retain_until = math.max(retain_until, known_until)
end

if changed then
  if not redis.call('HGET', meta, 'epoch') then
    redis.call('HSET', meta, 'epoch', epoch)
  end
  redis.call('ZADD', live, text(retain_until), key)
  if issued_through < FOREVER then
    redis.call('HSET', through, key, text(issued_through))
  else
    redis.call('HDEL', through, key)
  end
  local n = redis.call('HINCRBY', meta, 'seq', 1)
  local time = redis.call('TIME')
  local oldest = text(math.max(0, tonumber(time[1]) * 1000 - FEED_LASTS_MS))
  redis.call('XADD', feed, 'MINID', '~', oldest, '*', 'n', text(n), 'k', key, 't', text(issued_through), 'r', text(retain_until))
elseif ARGV[5] == '1' then
  redis.call('HSET', meta, 'epoch', redis.call('HGET', meta, 'epoch') or epoch)
end
return newly
