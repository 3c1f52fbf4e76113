-- Creates what is not there yet, and makes whole what is not.
-- ARGV  a new epoch; '1' if the caller finds out and tells what is missing, without which only what concerns no revocation is repaired
-- Returns what was found: 'whole', 'empty', or the part that differed.
local found = condition()

-- The feed begins anew, with an entry that revokes nothing and is there to be recognised by.
local function restart_feed()
  local n = (tonumber(redis.call('HGET', meta, 'seq') or '0') or 0) + 1
  local last = redis.call('XADD', feed, 'MAXLEN', 1, '*', 'n', text(n))
  note('seq', text(n), 'last', last)
end

if found == 'empty' then
  create(ARGV[1])
elseif found == 'layout' then
  redis.call('SETNX', layout, '1')
elseif found == 'feed' then
  restart_feed()
elseif found ~= 'whole' and ARGV[2] == '1' then
  local epoch = redis.call('HGET', meta, 'epoch')
  redis.call('HSET', meta, 'epoch', ARGV[1])
  if not epoch then
    -- What had been forgotten is not known any more. It was over by now.
    redis.call('HSET', meta, 'purged_through', text(now()))
  end
  redis.call('SETNX', layout, '1')
  restart_feed()
end
return found
