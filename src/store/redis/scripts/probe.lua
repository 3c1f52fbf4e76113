-- Tries each command that the other scripts use, on the keys of the layout, so that nothing is changed.
-- Returns a command and what the server said, for each that failed.
local failed = {}
local function try(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == 'table' and reply.err then
    failed[#failed + 1] = command
    failed[#failed + 1] = reply.err
  end
  return reply
end

-- Those that only remove come first: a server without memory then takes the rest, too.
local live, through, feed, meta, layout = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
try('ZREM', live, '')
try('HDEL', through, '')
for i = 1, #KEYS do
  try('PERSIST', KEYS[i])
end
try('TIME')
try('GET', layout)
try('SETNX', layout, '1')
try('ZADD', live, 'XX', 0, '')
try('ZSCORE', live, '')
try('ZMSCORE', live, '')
try('ZCARD', live)
try('ZSCAN', live, 0, 'COUNT', 1)
try('ZRANGEBYSCORE', live, '-inf', '-inf', 'LIMIT', 0, 1)
try('HMGET', through, '')
try('HLEN', through)
local epoch = try('HGET', meta, 'epoch')
if type(epoch) == 'string' then
  try('HSET', meta, 'epoch', epoch)
  try('HINCRBY', meta, 'seq', 0)
end
try('XREVRANGE', feed, '+', '-', 'COUNT', 1)
-- It is refused for its id, if it is allowed at all and the stream is there, and made by nobody otherwise.
try('XADD', feed, 'NOMKSTREAM', '0-1', 'n', '0')
return failed
