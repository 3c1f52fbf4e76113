-- Joins revocations into the set, with the effect of one call for each.
-- ARGV  key, 16 bytes; issued_through and retain_until in ms, 9007199254740991 for ever; an epoch for
--       a new store; the epoch that the store must have, '' for any; the id of a log entry, '' for
--       none; '1' to write in any case, so that a WAIT that follows covers earlier writes; then key,
--       issued_through and retain_until of each further revocation
-- Returns a digit for each revocation: 1 if it covers tokens that were not covered before, else 0;
--         epoch; seq; the id of the last log entry; the id and the number of the last log entry at or
--         before the given one, as it was before, if there is one.
local FOREVER = 9007199254740991
local LOG_RETENTION_MS = 600000
local MAX_PER_ENTRY = 250
-- Lua limits the number of arguments of a call.
local MAX_VALUES = 2000
local given, find, byte = ARGV, string.find, string.byte
local expected, known, touch = given[5] or '', given[6] or '', given[7] == '1'

-- The number of each instant.
local numbers = {}
local function is_instant(value)
  if value and find(value, '^%d+$') and value + 0 <= FOREVER then
    numbers[value] = value + 0
    return true
  end
end

-- The different keys, and for each revocation the position of its key among them.
local keys, position_of, positions = {}, {}, {}
local i, count = 1, math.max(#given, 1)
while i <= count do
  local key, instant, retain = given[i], given[i + 1], given[i + 2]
  local is_valid = key and #key == 16 and (given[4] or '') ~= ''
    and (numbers[instant] or is_instant(instant)) and (numbers[retain] or is_instant(retain))
  if not is_valid then
    return redis.error_reply('ERR tower-logout: a revocation is a key of 16 bytes, two instants in ms and an epoch')
  end
  local position = position_of[key]
  if not position then
    position = #keys + 1
    keys[position], position_of[key] = key, position
  end
  positions[#positions + 1] = position
  i = i == 1 and 8 or i + 3
end

local found = condition()
if found ~= 'whole' and found ~= 'empty' then
  return redis.error_reply('NOTWHOLE ' .. found)
elseif expected ~= '' and epoch ~= expected then
  return redis.error_reply('REPLACED the epoch is another')
elseif found == 'empty' then
  create(given[4])
end
local before = last_entry
if known ~= '' and known ~= last then
  before = call('XREVRANGE', feed, known, '-', 'COUNT', '1')[1]
end

local time = now()
local is_pruned = prune(time, '100') > 0

-- Calls a command with any number of values. Returns all replies in one table, or their sum.
local function in_parts(command, name, values)
  if #values <= MAX_VALUES then
    return call(command, name, unpack(values))
  end
  local replies, sum = {}, 0
  for first = 1, #values, MAX_VALUES do
    local reply = call(command, name, unpack(values, first, math.min(first + MAX_VALUES - 1, #values)))
    if type(reply) == 'table' then
      for n = 1, #reply do
        replies[#replies + 1] = reply[n]
      end
    else
      sum = sum + reply
    end
  end
  return #replies > 0 and replies or sum
end

-- The instants of each key that is known.
local covered, retained = {}, {}
local scores = in_parts('ZMSCORE', live, keys)
local stored = instants > 0 and in_parts('HMGET', through, keys) or {}
for k = 1, #keys do
  if scores[k] then
    -- Whatever concerns several tokens has an instant. Without one, half of the entry is lost.
    local instant = tonumber(stored[k] or (byte(keys[k]) > 2 and -1 or FOREVER))
    local retain = tonumber(scores[k])
    covered[k], retained[k] = text(instant), text(retain)
    numbers[covered[k]], numbers[retained[k]] = instant, retain
  end
end

-- Joins one after the other: of equal revocations, only the first covers more than before.
local digits, is_joined = {}, {}
i = 1
for n = 1, #positions do
  local k, instant, retain = positions[n], given[i + 1], given[i + 2]
  digits[n] = '0'
  if purged_through == 0 or numbers[retain] > purged_through then
    if not covered[k] or numbers[instant] > numbers[covered[k]] then
      digits[n], covered[k], is_joined[k] = '1', instant, true
    end
    if not retained[k] or numbers[retain] > numbers[retained[k]] then
      retained[k], is_joined[k] = retain, true
    end
  end
  i = i == 1 and 8 or i + 3
end

-- Stores what has changed.
local joined, members, fields, without_field, records = {}, {}, {}, {}, {}
for k = 1, #keys do
  if is_joined[k] then
    local n, key, instant, retain = #joined + 1, keys[k], covered[k], retained[k]
    joined[n], members[2 * n - 1], members[2 * n] = k, retain, key
    records[n] = key .. instant .. ' ' .. retain .. ' '
    if numbers[instant] < FOREVER or byte(key) > 2 then
      fields[#fields + 1] = key
      fields[#fields + 1] = instant
    elseif stored[k] then
      without_field[#without_field + 1] = key
    end
  end
end
if #joined > 0 then
  entries = entries + in_parts('ZADD', live, members)
  if #fields > 0 then
    instants = instants + in_parts('HSET', through, fields)
  end
  if #without_field > 0 then
    instants = instants - in_parts('HDEL', through, without_field)
  end
  local oldest = text(math.max(0, time - LOG_RETENTION_MS))
  local function append(...)
    seq = seq + 1
    last = call('XADD', feed, 'MINID', '~', oldest, '*', 'n', text(seq), ...)
  end
  for first = 1, #joined, MAX_PER_ENTRY do
    if first == #joined then
      local k = joined[first]
      append('k', keys[k], 't', covered[k], 'r', retained[k])
    else
      append('b', table.concat(records, '', first, math.min(first + MAX_PER_ENTRY - 1, #joined)))
      if first + MAX_PER_ENTRY > #joined then
        -- Every check and every follower reads the last entry, which is therefore a small one.
        append()
      end
    end
  end
end
if #joined > 0 or is_pruned then
  note()
elseif touch then
  call('HSET', meta, 'epoch', epoch)
end
return { table.concat(digits), epoch, seq, last, before and before[1], before and before[2][2] }
