-- Where the feed ends now, for a reader that is about to read everything.
-- KEYS  live, feed, meta
-- ARGV  an epoch, should there be none
-- Returns epoch, the last n, the id of its entry, purged_through, how many are live.
local live, feed, meta = KEYS[1], KEYS[2], KEYS[3]

local function text(n)
  return string.format('%.0f', n)
end

local function number_of(entry)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'n' then
      return tonumber(entry[2][i + 1])
    end
  end
end

local epoch = redis.call('HGET', meta, 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', meta, 'epoch', epoch)
end
local seq = tonumber(redis.call('HGET', meta, 'seq') or '0')
local last = redis.call('XREVRANGE', feed, '+', '-', 'COUNT', 1)[1]
local id = '0-0'
if last and number_of(last) == seq then
  id = last[1]
elseif last or seq > 0 then
  -- Somebody emptied the feed, or what counts it. An entry that revokes nothing is there to be recognised by.
  seq = redis.call('HINCRBY', meta, 'seq', 1)
  id = redis.call('XADD', feed, '*', 'n', text(seq))
end
return { epoch, text(seq), id, redis.call('HGET', meta, 'purged_through') or '0', redis.call('ZCARD', live) }
