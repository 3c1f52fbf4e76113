-- The state of the store and functions, for every script that writes.
-- KEYS  live, through, feed, meta, layout
local live, through, feed, meta, layout = unpack(KEYS)
-- The content of `layout`, which is also a part of the names.
local version = string.match(live, '}:v([^}]*):live$')
local call = redis.call

-- The fields of `meta`, the numbers of entries of `live` and of `through`, and the last log entry, kept
-- up to date by all that writes.
local noted = call('HMGET', meta, 'epoch', 'seq', 'live', 'through', 'last', 'purged_through')
local entries, instants = call('ZCARD', live), call('HLEN', through)
local last_entry = call('XREVRANGE', feed, '+', '-', 'COUNT', '1')[1]
local epoch, seq, last = noted[1], tonumber(noted[2] or '0') or 0, noted[5]
local purged_through = tonumber(noted[6] or '0')

-- Compares the parts with what `meta` says about them: 'whole', 'empty', or the part that differs.
local found = 'whole'
local is_noted = epoch or noted[2] or noted[3] or noted[4] or last or noted[6]
if not is_noted and entries == 0 and instants == 0 and not last_entry then
  found = 'empty'
elseif not epoch or not noted[2] then
  found = 'meta'
elseif call('GET', layout) ~= version then
  found = 'layout'
elseif tonumber(noted[3]) ~= entries then
  found = 'live'
elseif tonumber(noted[4]) ~= instants then
  found = 'through'
elseif last ~= (last_entry and last_entry[1] or '0-0') or seq ~= (last_entry and tonumber(last_entry[2][2]) or 0) then
  found = 'feed'
end

-- Lua would abbreviate large numbers, as in 1e+15. A double holds all of those used here exactly. The
-- cheaper `%d` has 32 bits on some servers.
local function text(n)
  return string.format(n < 2147483648 and '%d' or '%.0f', n)
end

-- The server's time, in milliseconds since the Unix epoch.
local function now()
  local time = call('TIME')
  return time[1] .. string.format('%03d', time[2] / 1000)
end

local function create(new_epoch)
  epoch, seq, last = new_epoch, 0, '0-0'
  call('HSET', meta, 'epoch', epoch, 'seq', '0', 'live', '0', 'through', '0', 'last', last)
  call('SETNX', layout, version)
end

-- Records in `meta` what the parts contain now.
local function note()
  call('HSET', meta, 'seq', text(seq), 'live', text(entries), 'through', text(instants), 'last', last)
end

-- Removes any time to live, since a server could evict a key that has one. Call it after other writes:
-- the first write of a script decides whether a server whose memory is full runs the rest.
local function persist()
  for i = 1, #KEYS do
    call('PERSIST', KEYS[i])
  end
end

-- Removes at most `limit` expired entries, and raises `purged_through` to the last `retain_until`.
-- Returns the number of removed entries. If it is not 0, the caller calls `note`.
local function prune(time, limit)
  local expired = call('ZRANGEBYSCORE', live, '-inf', time, 'LIMIT', '0', limit)
  if #expired == 0 then
    return 0
  end
  local last_until = math.ceil(tonumber(call('ZSCORE', live, expired[#expired])))
  -- First the removal, which is allowed while memory is full: the rest of the script then is, too.
  entries = entries - call('ZREM', live, unpack(expired))
  instants = instants - call('HDEL', through, unpack(expired))
  if last_until > purged_through then
    purged_through = last_until
    call('HSET', meta, 'purged_through', text(last_until))
  end
  return #expired
end

