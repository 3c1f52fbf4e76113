-- Reads the entries of some keys and the state of the store atomically, because an entry could be
-- removed in between.
-- KEYS  live, through, feed, meta, layout
-- ARGV  the id of a log entry; keys
-- Returns the first key; retain_until of each, or nil if it is not revoked; issued_through of each,
--         or nil; the version of the layout; the fields of meta; the numbers of entries of live and
--         of through; the last log entry; the last log entry at or before the given one.
-- The id and the number of the first entry, without its revocations.
local function number_of(entries)
  local entry = entries[1]
  return entry and { { entry[1], { entry[2][1], entry[2][2] } } } or {}
end

local keys = {}
for i = 2, #ARGV do
  keys[i - 1] = ARGV[i]
end
return {
  keys[1],
  redis.call('ZMSCORE', KEYS[1], unpack(keys)),
  redis.call('HMGET', KEYS[2], unpack(keys)),
  redis.call('GET', KEYS[5]),
  redis.call('HMGET', KEYS[4], 'epoch', 'seq', 'purged_through', 'live', 'through', 'last'),
  redis.call('ZCARD', KEYS[1]),
  redis.call('HLEN', KEYS[2]),
  number_of(redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)),
  number_of(redis.call('XREVRANGE', KEYS[3], ARGV[1], '-', 'COUNT', 1)),
}
