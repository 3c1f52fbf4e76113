-- Tries each command of the other scripts on the keys of the layout, without changing anything.
-- Returns the command and the error of each failure.
local failed = {}
local function try(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == 'table' and reply.err then
    failed[#failed + 1] = command
    failed[#failed + 1] = reply.err
  end
  return reply
end

-- Commands that only remove come first: a server whose memory is full then runs the rest, too.
local live, through, feed, meta, layout = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
try('ZREM', live, '')
try('HDEL', through, '')
for i = 1, #KEYS do
  try('PERSIST', KEYS[i])
end
try('TIME')
try('GET', layout)
try('SETNX', layout, string.match(live, '}:v([^}]*):live$'))
try('ZADD', live, 'XX', 0, '')
try('ZSCORE', live, '')
try('ZMSCORE', live, '')
try('ZCARD', live)
try('ZRANGEBYSCORE', live, '-inf', '-inf', 'LIMIT', 0, 1)
try('HMGET', through, '')
try('HLEN', through)
local epoch = try('HMGET', meta, 'epoch')[1]
if epoch then
  try('HSET', meta, 'epoch', epoch)
end
try('XREVRANGE', feed, '+', '-', 'COUNT', 1)
-- With the right to run it, this fails because of the id, or does nothing where there is no stream.
try('XADD', feed, 'NOMKSTREAM', '0-1', 'n', '0')
return failed
