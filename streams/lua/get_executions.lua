-- get_executions: everything a reader is told of some executions of one partition.
--
-- KEYS[1]   due       sorted set; gives the partition's prefix
-- KEYS[2..] declared  projections of the executions, for Redis Cluster
-- ARGV[1]   follow    "1": of an execution that was restarted, its newest run instead of the first; else "0"
-- ARGV[2..] id        executions, at most 64
-- RETURNS   one item per id, in order: see reading.lua

--@include transition
--@include reading

local found = {}
for i = 1, #ARGV - 1 do
  found[i] = item_of(ARGV[i + 1], ARGV[1] == "1")
end
return found
