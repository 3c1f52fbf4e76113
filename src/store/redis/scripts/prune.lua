-- ARGV  how many at most
-- Returns how many were forgotten.
local found = condition()
if found == 'empty' then
  return 0
elseif found ~= 'whole' then
  return redis.error_reply('NOTWHOLE ' .. found)
end
local forgotten = prune(now(), ARGV[1])
persist()
return forgotten
