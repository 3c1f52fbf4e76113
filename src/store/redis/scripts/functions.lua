-- Functions for every script that writes.
-- KEYS  live, through, feed, meta, layout
local live, through, feed, meta, layout = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
-- The content of `layout`, which is also a part of the names.
local version = string.match(live, '}:v([^}]*):live$')

-- Lua would abbreviate large numbers, as in 1.7e+12. A double holds all of those used here exactly.
local function text(n)
  return string.format('%.0f', n)
end

-- The server's time, in milliseconds since the Unix epoch.
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Compares the parts with what `meta` says about them. Returns 'whole', 'empty', or the part that
-- differs.
local function condition()
  local noted = redis.call('HMGET', meta, 'epoch', 'seq', 'live', 'through', 'last', 'purged_through')
  local entries, instants = redis.call('ZCARD', live), redis.call('HLEN', through)
  local last = redis.call('XREVRANGE', feed, '+', '-', 'COUNT', 1)[1]
  local is_noted = false
  for i = 1, #noted do
    is_noted = is_noted or noted[i]
  end
  if not is_noted and entries == 0 and instants == 0 and not last then
    return 'empty'
  elseif not noted[1] or not noted[2] then
    return 'meta'
  elseif redis.call('GET', layout) ~= version then
    return 'layout'
  elseif tonumber(noted[3]) ~= entries then
    return 'live'
  elseif tonumber(noted[4]) ~= instants then
    return 'through'
  elseif noted[5] ~= (last and last[1] or '0-0') or tonumber(noted[2]) ~= (last and tonumber(last[2][2]) or 0) then
    return 'feed'
  end
  return 'whole'
end

local function create(epoch)
  redis.call('HSET', meta, 'epoch', epoch, 'seq', '0', 'live', '0', 'through', '0', 'last', '0-0')
  redis.call('SETNX', layout, version)
end

-- Removes any time to live, since a server could evict a key that has one. Call it after other writes:
-- the first write of a script decides whether a server whose memory is full runs the rest.
local function persist()
  for i = 1, #KEYS do
    redis.call('PERSIST', KEYS[i])
  end
end

-- Records in `meta` how many entries there are, and further fields.
local function note(...)
  redis.call('HSET', meta, 'live', redis.call('ZCARD', live), 'through', redis.call('HLEN', through), ...)
  persist()
end

-- Removes at most `limit` expired entries, and raises `purged_through` to the last `retain_until`.
local function prune(time, limit)
  local expired = redis.call('ZRANGEBYSCORE', live, '-inf', text(time), 'WITHSCORES', 'LIMIT', 0, limit)
  if #expired == 0 then
    return 0
  end
  local keys = {}
  for i = 1, #expired, 2 do
    keys[#keys + 1] = expired[i]
  end
  -- First the removal, which is allowed while memory is full: the rest of the script then is, too.
  redis.call('ZREM', live, unpack(keys))
  redis.call('HDEL', through, unpack(keys))
  local last = math.ceil(tonumber(expired[#expired]))
  if last > tonumber(redis.call('HGET', meta, 'purged_through') or '0') then
    redis.call('HSET', meta, 'purged_through', text(last))
  end
  note()
  return #keys
end

