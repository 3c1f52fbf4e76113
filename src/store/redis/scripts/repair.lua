-- Creates the layout, or repairs it.
-- ARGV  a new epoch; '1' if the caller re-sends missing revocations; otherwise only damage that
--       does not concern revocations is repaired
-- Returns what was found: 'whole', 'empty', or the part that differed.
local found = condition()

-- Starts a new log, with an entry that revokes nothing and gives cursors something to point at.
local function restart_log()
  local n = (tonumber(redis.call('HGET', meta, 'seq') or '0') or 0) + 1
  local last = redis.call('XADD', feed, 'MAXLEN', 1, '*', 'n', text(n))
  note('seq', text(n), 'last', last)
end

if found == 'empty' then
  create(ARGV[1])
elseif found == 'layout' then
  redis.call('SETNX', layout, version)
elseif found == 'feed' then
  restart_log()
elseif found ~= 'whole' and ARGV[2] == '1' then
  local epoch = redis.call('HGET', meta, 'epoch')
  redis.call('HSET', meta, 'epoch', ARGV[1])
  if not epoch then
    -- The purge watermark is lost. Whatever was purged had expired by now.
    redis.call('HSET', meta, 'purged_through', text(now()))
  end
  redis.call('SETNX', layout, version)
  restart_log()
end
return found
