-- renew_lease: a worker shows that it lives.
--
-- KEYS[1]  due       sorted set; gives the partition's prefix
-- KEYS[2]  held      hash of what the worker holds
-- ARGV[1]  now       unix ms, or "" for the server's clock
-- ARGV[2]  worker    incarnation
-- ARGV[3]  lease_ms  how long from now
-- RETURNS  the lease's end, unix ms | 0 when the worker counts as lost; 0 writes nothing

--@include transition

if not call("HGET", KEYS[2], "#") then
  return 0
end
local ends = clock(ARGV[1]) + tonumber(ARGV[3])
local member = due_member("lease", ARGV[2], 0, 0)
-- A server that is full refuses a script that begins by storing, and work in hand must not be lost.
call("ZREM", KEYS[1], member)
call("ZADD", KEYS[1], ends, member)
return ends
