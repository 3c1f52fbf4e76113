-- Creates the layout, or repairs it.
-- ARGV  a new epoch; '1' if the caller re-sends missing revocations; otherwise only damage that
--       does not concern revocations is repaired
-- Returns what was found: 'whole', 'empty', or the part that differed.

-- Starts a new log, with an entry that revokes nothing and gives cursors something to point at.
local function restart_log()
  seq = seq + 1
  last = call('XADD', feed, 'MAXLEN', '1', '*', 'n', text(seq))
  note()
  persist()
end

if found == 'empty' then
  create(ARGV[1])
elseif found == 'layout' then
  call('SETNX', layout, version)
elseif found == 'feed' then
  restart_log()
elseif found ~= 'whole' and ARGV[2] == '1' then
  call('HSET', meta, 'epoch', ARGV[1])
  if not epoch then
    -- The purge watermark is lost. Whatever was purged had expired by now.
    call('HSET', meta, 'purged_through', now())
  end
  call('SETNX', layout, version)
  restart_log()
end
return found
