-- put_limits: set how many tasks may run or begin, by queue or task; or forget what is set.
--
-- KEYS[1]   due     sorted set; gives the partition's prefix
-- KEYS[2]   limits  hash: what is set -> six numbers: see limits.lua
-- ARGV[1]   now     unix ms, or "" for the server's clock
-- ARGV[2..] field   "queue:<name>" | "task:<name>" | "declared:<task>"; its six numbers, "" for none, each
-- RETURNS  how many of them changed

--@include transition

local now, changes = clock(ARGV[1]), 0
for i = 2, #ARGV, 2 do
  changes = changes + (set_limits(ARGV[i], ARGV[i + 1], now) and 1 or 0)
end
return commit(changes)
