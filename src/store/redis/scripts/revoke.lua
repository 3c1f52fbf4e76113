-- Joins one revocation into the set.
-- ARGV  key, 16 bytes; issued_through and retain_until in ms, 9007199254740991 for ever; an epoch for
--       a new store; the epoch that the store must have, '' for any; the id of a log entry, '' for
--       none; '1' to write in any case, so that a WAIT that follows covers earlier writes
-- Returns 1 if the revocation covers tokens that were not covered before, else 0; epoch; seq; the id
--         of the last log entry; the last log entry at or before the given one, as it was before.
local FOREVER = 9007199254740991
local LOG_RETENTION_MS = 600000
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
    -- Whatever concerns several tokens has an instant. Without one, half of the entry is lost.
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
  local oldest = text(math.max(0, time - LOG_RETENTION_MS))
  local last = redis.call('XADD', feed, 'MINID', '~', oldest, '*',
    'n', text(n), 'k', key, 't', text(issued_through), 'r', text(retain_until))
  note('last', last)
elseif touch then
  redis.call('HSET', meta, 'epoch', redis.call('HGET', meta, 'epoch'))
end
local log_end = redis.call('HMGET', meta, 'epoch', 'seq', 'last')
return { newly, log_end[1], log_end[2], log_end[3], before }
