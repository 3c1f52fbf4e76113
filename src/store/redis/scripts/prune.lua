-- KEYS  live, through, meta
-- ARGV  how many at most
-- Returns how many were forgotten.
return prune(KEYS[1], KEYS[2], KEYS[3], ARGV[1])
