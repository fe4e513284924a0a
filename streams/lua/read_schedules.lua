-- read_schedules: schedules as they stand, each read at one moment.
--
-- KEYS[1]   due        sorted set; gives the partition's prefix
-- KEYS[2..] schedules  their hashes
-- ARGV[1..] id         their ids, in the same order
-- RETURNS   {{{field, value, …}, {execution that runs, …}, how many wait}, …}; no fields for one that there is not
--           any more; of many that run only the latest; writes nothing

--@include transition

-- A screen of them.
local TOLD = 20

local found = {}
for i, id in ipairs(ARGV) do
  found[i] = {
    call("HGETALL", KEYS[i + 1]), call("ZREVRANGE", prefix .. "l:" .. id, 0, TOLD - 1),
    call("LLEN", prefix .. "y:" .. id),
  }
end
return found
