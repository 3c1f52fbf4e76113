-- Reads one page of the live revocations. It is one script, so that no entry is removed after one
-- of its two halves was read.
-- KEYS  live, through
-- ARGV  cursor of ZSCAN, approximate number of entries
-- Returns the next cursor; key, retain_until, key, retain_until, …; issued_through of each, or nil
--         if it is unbounded.
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local entries, through = page[2], {}
for first = 1, #entries, 2000 do
  local keys = {}
  for i = first, math.min(first + 1998, #entries), 2 do
    keys[#keys + 1] = entries[i]
  end
  local part = redis.call('HMGET', KEYS[2], unpack(keys))
  for i = 1, #keys do
    through[#through + 1] = part[i]
  end
end
return { page[1], entries, through }
