-- Forgets what no token needs any more, `limit` entries at most, and raises `purged_through` to the last of them.
local function prune(live, through, meta, limit)
  local time = redis.call('TIME')
  local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
  local expired = redis.call('ZRANGEBYSCORE', live, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  if #expired == 0 then
    return 0
  end
  local keys = {}
  for i = 1, #expired, 2 do
    keys[#keys + 1] = expired[i]
  end
  -- Removing comes first: it is allowed when memory is full, and what follows in the same script then is too.
  redis.call('ZREM', live, unpack(keys))
  redis.call('HDEL', through, unpack(keys))
  local last = math.ceil(tonumber(expired[#expired]))
  if last > tonumber(redis.call('HGET', meta, 'purged_through') or '0') then
    redis.call('HSET', meta, 'purged_through', string.format('%.0f', last))
  end
  return #keys
end

