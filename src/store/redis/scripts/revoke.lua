-- Joins revocations into the set, one after the other.
-- ARGV  key, 16 bytes; issued_through and retain_until in ms, 9007199254740991 for ever; an epoch for
--       a new store; the epoch that the store must have, '' for any; the id of a log entry, '' for
--       none; '1' to write in any case, so that a WAIT that follows covers earlier writes; then key,
--       issued_through and retain_until of each further revocation
-- Returns 1 if the revocation covers tokens that were not covered before, else 0; epoch; seq; the id
--         of the last log entry; the last log entry at or before the given one, as it was before; 1 or
--         0 for each further revocation.
local FOREVER = 9007199254740991
local LOG_RETENTION_MS = 600000
local epoch, expected, known, touch = ARGV[4], ARGV[5] or '', ARGV[6] or '', ARGV[7] == '1'

local function is_instant(n)
  return n and n >= 0 and n <= FOREVER and n == math.floor(n)
end

local given = {}
local function give(key, issued_through, retain_until)
  given[#given + 1] = { key = key, through = tonumber(issued_through), retain = tonumber(retain_until) }
  return #key == 16 and is_instant(given[#given].through) and is_instant(given[#given].retain)
end
local are_valid = epoch and epoch ~= '' and give(ARGV[1], ARGV[2], ARGV[3])
for i = 8, #ARGV, 3 do
  are_valid = are_valid and ARGV[i + 2] and give(ARGV[i], ARGV[i + 1], ARGV[i + 2])
end
if not are_valid then
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
local purged_through = tonumber(redis.call('HGET', meta, 'purged_through') or '0')
local oldest = text(math.max(0, time - LOG_RETENTION_MS))

-- Returns 1 if the revocation covers tokens that were not covered before, else 0; the id of its log
-- entry if it has changed anything.
local function join(key, issued_through, retain_until)
  if purged_through ~= 0 and retain_until <= purged_through then
    return 0
  end
  local known_until = tonumber(redis.call('ZSCORE', live, key) or '-1')
  local known_through = -1
  if known_until >= 0 then
    -- Whatever concerns several tokens has an instant. Without one, half of the entry is lost.
    known_through = tonumber(redis.call('HGET', through, key) or (string.byte(key) > 2 and -1 or FOREVER))
  end
  local newly = issued_through > known_through and 1 or 0
  if newly == 0 and retain_until <= known_until then
    return 0
  end
  issued_through = math.max(issued_through, known_through)
  retain_until = math.max(retain_until, known_until)
  redis.call('ZADD', live, text(retain_until), key)
  if issued_through < FOREVER or string.byte(key) > 2 then
    redis.call('HSET', through, key, text(issued_through))
  else
    redis.call('HDEL', through, key)
  end
  local n = redis.call('HINCRBY', meta, 'seq', 1)
  return newly, redis.call('XADD', feed, 'MINID', '~', oldest, '*',
    'n', text(n), 'k', key, 't', text(issued_through), 'r', text(retain_until))
end

local newly, last = {}, nil
for i = 1, #given do
  local entry
  newly[i], entry = join(given[i].key, given[i].through, given[i].retain)
  last = entry or last
end
if last then
  note('last', last)
elseif touch then
  redis.call('HSET', meta, 'epoch', redis.call('HGET', meta, 'epoch'))
end
local log_end = redis.call('HMGET', meta, 'epoch', 'seq', 'last')
return { table.remove(newly, 1), log_end[1], log_end[2], log_end[3], before, newly }
