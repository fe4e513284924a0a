-- put_limits: set how many tasks may run or begin, by queue or task; or forget what is set.
--
-- KEYS[1]   due     sorted set; gives the partition's prefix
-- KEYS[2]   limits  hash: what is set -> six numbers: see limits.lua
-- ARGV[1]   now         unix ms, or "" for the server's clock
-- ARGV[2]   partitions  how many there are
-- ARGV[3]   revision    where there are several: greater than that of whatever it is to replace; else ""
-- ARGV[4..] field       "queue:<name>" | "task:<name>" | "declared:<task>"; its six numbers, "" for none, each
-- RETURNS  how many of them changed

--@include transition

local now, partitions, revision, changes = clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), 0
if partitions > 1 then
  call("HSET", prefix .. "p:s", "#", partitions)
end
for i = 4, #ARGV, 2 do
  changes = changes + (set_limits(ARGV[i], ARGV[i + 1], now, revision) and 1 or 0)
end
return commit(changes)
