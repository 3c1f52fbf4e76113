-- All that is said about some keys, at one moment: between two, an entry could be forgotten.
-- KEYS  live, through, meta
-- ARGV  keys
-- Returns the first key; retain_until of each, or nil if it is not revoked; issued_through of each, or nil for ever; purged_through.
return {
  ARGV[1],
  redis.call('ZMSCORE', KEYS[1], unpack(ARGV)),
  redis.call('HMGET', KEYS[2], unpack(ARGV)),
  redis.call('HGET', KEYS[3], 'purged_through'),
}
