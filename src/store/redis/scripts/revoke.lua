-- Joins revocations into the set, with the effect of one call for each.
-- ARGV  the revocations, 50 bytes each: the key, 16 bytes, issued_through, a space, retain_until and a
--       space, the instants in ms with 16 digits, 9007199254740991 for ever; an epoch for a new store;
--       the epoch that the store must have, '' for any; the id of a log entry, '' for none; '1' to write
--       in any case, so that a WAIT that follows covers earlier writes
-- Returns a digit for each revocation: 1 if it covers tokens that were not covered before, else 0;
--         epoch; seq; the id of the last log entry; the id and the number of the last log entry at or
--         before the given one, as it was before, if there is one.
local FOREVER = 9007199254740991
local LOG_RETENTION_S = 600
local MAX_PER_ENTRY = 250
-- Lua limits the number of arguments of a call.
local MAX_VALUES = 2000
local given, new_epoch, expected, known, touch = unpack(ARGV, 1, 5)
local find, byte, sub, rep, concat = string.find, string.byte, string.sub, string.rep, table.concat
if not given or (new_epoch or '') == '' then
  given = ''
end

-- The parts of each revocation: its key; retain_until and key, as ZADD takes them; issued_through, except
-- of a single token that is revoked for ever, which has none in `through` either.
local keys, members, covered, count = {}, {}, {}, 0
repeat
  local first = 50 * count + 1
  -- First the usual case: a single token that is revoked for ever.
  local _, to, key, retain = find(given, '^([\1\2]...............)9007199254740991 0*(%d+) ', first)
  if not to then
    local instant, at
    _, to, key, instant, at, retain = find(given, '^(................)0*(%d+) ()0*(%d+) ', first)
    if at ~= first + 33 or instant + 0 > FOREVER then
      to = nil
    elseif instant + 0 < FOREVER or byte(key) > 2 then
      covered[count + 1] = instant
    end
  end
  -- Fewer than 16 digits are less than `FOREVER`.
  if to ~= first + 49 or #retain > 15 and retain + 0 > FOREVER then
    return redis.error_reply('ERR tower-logout: a revocation is a key of 16 bytes, two instants in ms and an epoch')
  end
  members[2 * count + 1], members[2 * count + 2] = retain, key
  count = count + 1
  keys[count] = key
until to == #given

if found ~= 'whole' and found ~= 'empty' then
  return redis.error_reply('NOTWHOLE ' .. found)
elseif (expected or '') ~= '' and epoch ~= expected then
  return redis.error_reply('REPLACED the epoch is another')
elseif found == 'empty' then
  create(new_epoch)
end
local before = last_entry
if (known or '') ~= '' and known ~= last then
  before = call('XREVRANGE', feed, known, '-', 'COUNT', '1')[1]
end

local time = now()
local is_pruned = prune(time, '100') > 0

-- Calls a command with the first `size` values. Returns all replies in one table, or their sum.
local function in_parts(command, name, values, size)
  if size <= MAX_VALUES then
    return call(command, name, unpack(values, 1, size))
  end
  local replies, sum = {}, 0
  for first = 1, size, MAX_VALUES do
    local reply = call(command, name, unpack(values, first, math.min(first + MAX_VALUES - 1, size)))
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

-- The position of the latest state of each key in `members` and `covered`. What is stored comes after
-- all that is given.
local position_of, stored = {}, {}
local scores = in_parts('ZMSCORE', live, keys, count)
for n = 1, count do
  if scores[n] and not position_of[keys[n]] then
    stored[#stored + 1] = keys[n]
    position_of[keys[n]] = count + #stored
    members[2 * (count + #stored) - 1] = text(tonumber(scores[n]))
  end
end
if #stored > 0 then
  local fields = instants > 0 and in_parts('HMGET', through, stored, #stored) or {}
  for k = 1, #stored do
    -- Whatever concerns several tokens has an instant. Without one, half of the entry is lost.
    covered[count + k] = fields[k] or byte(stored[k]) > 2 and '-1' or nil
  end
end

-- Joins one after the other: of equal revocations, only the first covers more than before. What changes
-- moves to the front. What is stored as it was given is copied to the log together with its neighbours,
-- from `uncopied` on.
local digits, changed, fields, without_field = '', 0, {}, {}
local batches, pieces, uncopied, full = {}, {}, 1, MAX_PER_ENTRY
local watermark = purged_through > 0 and purged_through or -1
for n = 1, count do
  local key, instant, retain, old_instant, record = keys[n], covered[n], members[2 * n - 1], nil, nil
  local position, is_changed = position_of[key], retain + 0 > watermark
  if position or not is_changed then
    local covers, lasts = false, false
    if is_changed then
      local old_retain = members[2 * position - 1]
      old_instant = covered[position]
      covers = (instant or FOREVER) + 0 > (old_instant or FOREVER) + 0
      lasts = retain + 0 > old_retain + 0
      if not covers then
        instant = old_instant
      end
      if not lasts then
        retain = old_retain
      end
    end
    if not covers then
      digits = digits .. rep('1', n - 1 - #digits) .. '0'
    end
    is_changed = covers or lasts
    record = is_changed and key .. (instant or text(FOREVER)) .. ' ' .. retain .. ' ' or ''
    pieces[#pieces + 1] = sub(given, uncopied, 50 * (n - 1)) .. record
    uncopied = 50 * n + 1
  end
  if is_changed then
    changed = changed + 1
    position_of[key] = changed
    if record or changed < n then
      covered[changed], members[2 * changed - 1], members[2 * changed] = instant, retain, key
    end
    if instant then
      fields[#fields + 1] = key
      fields[#fields + 1] = instant
    elseif old_instant then
      without_field[#without_field + 1] = key
    end
  end
  if changed == full then
    batches[#batches + 1] = concat(pieces) .. sub(given, uncopied, 50 * n)
    pieces, uncopied, full = {}, 50 * n + 1, full + MAX_PER_ENTRY
  end
end
batches[#batches + 1] = concat(pieces) .. sub(given, uncopied)
digits = digits .. rep('1', count - #digits)

-- Stores what has changed.
if changed > 0 then
  entries = entries + in_parts('ZADD', live, members, 2 * changed)
  if #fields > 0 then
    instants = instants + in_parts('HSET', through, fields, #fields)
  end
  if #without_field > 0 then
    instants = instants - in_parts('HDEL', through, without_field, #without_field)
  end
  local oldest = text(math.floor(math.max(0, time / 1000 - LOG_RETENTION_S))) .. '000'
  local function append(...)
    seq = seq + 1
    last = call('XADD', feed, 'MINID', '~', oldest, '*', 'n', text(seq), ...)
  end
  for first = 1, changed, MAX_PER_ENTRY do
    if first == changed then
      append('k', members[2 * changed], 't', covered[changed] or text(FOREVER), 'r', members[2 * changed - 1])
    else
      append('b', batches[(first - 1) / MAX_PER_ENTRY + 1])
      if first + MAX_PER_ENTRY > changed then
        -- Every check and every follower reads the last entry, which is therefore a small one.
        append()
      end
    end
  end
end
if changed > 0 or is_pruned then
  note()
  -- The keys take turns: where one with a time to live is evicted meanwhile, that is noticed.
  call('PERSIST', KEYS[seq % #KEYS + 1])
elseif touch == '1' then
  call('HSET', meta, 'epoch', epoch)
end
return { digits, epoch, seq, last, before and before[1], before and before[2][2] }
