-- register_worker: a worker incarnation begins, with a lease.
--
-- KEYS[1]  due       sorted set; gives the partition's prefix
-- KEYS[2]  workers   hash: worker -> what it says of itself
-- KEYS[3]  held      hash of what the worker holds
-- ARGV[1]  now       unix ms, or "" for the server's clock
-- ARGV[2]  worker    incarnation, never used before
-- ARGV[3]  lease_ms  how long without a renewal until it counts as lost
-- ARGV[4]  about     encoded description
-- ARGV[5..] task     of those that it knows, and the limits that their declarations set: see limits.lua
-- RETURNS  the lease's end, unix ms

--@include transition

local now = clock(ARGV[1])
local ends = now + tonumber(ARGV[3])
for i = 5, #ARGV, 2 do
  set_limits("declared:" .. ARGV[i], ARGV[i + 1], now)
end
call("HSET", KEYS[2], ARGV[2], ARGV[4])
call("HSETNX", KEYS[3], "#", 0)
later(ends, "lease", ARGV[2], 0, 0)
return commit(ends)
