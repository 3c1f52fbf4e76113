-- Removes expired entries.
-- ARGV  maximum number
-- Returns the number of removed entries.
if found == 'empty' then
  return 0
elseif found ~= 'whole' then
  return redis.error_reply('NOTWHOLE ' .. found)
end
local removed = prune(now(), ARGV[1])
if removed > 0 then
  note()
end
persist()
return removed
