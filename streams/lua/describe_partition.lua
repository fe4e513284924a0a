-- describe_partition: what waits, who works, what is due: for people who look after it.
--
-- KEYS[1]  due      sorted set; gives the partition's prefix
-- KEYS[2]  workers  hash: worker -> what it says of itself
-- ARGV[1]  now      unix ms, or "" for the server's clock
-- ARGV[2..] queue   names of queues to count
-- RETURNS  {now, {worker, about, lease end, held count, …}, {ready count per queue}, due count,
--           {status, count, …}}; writes nothing

--@include transition

local now = clock(ARGV[1])
local workers = {}
local about = call("HGETALL", KEYS[2])
for i = 1, #about, 2 do
  local worker = about[i]
  workers[#workers + 1] = worker
  workers[#workers + 1] = about[i + 1]
  workers[#workers + 1] = tonumber(call("ZSCORE", KEYS[1], due_member("lease", worker, 0, 0)) or 0)
  workers[#workers + 1] = math.max(call("HLEN", prefix .. "a:" .. worker) - 1, 0)
end
local ready = {}
for i = 2, #ARGV do
  ready[#ready + 1] = call("LLEN", prefix .. "q:" .. ARGV[i])
end
local statuses = {}
for _, status in ipairs({ "pending", "running", "suspended", "completed", "failed", "cancelled" }) do
  statuses[#statuses + 1] = status
  statuses[#statuses + 1] = call("ZCARD", prefix .. "i:s:" .. status)
end
return { now, workers, ready, call("ZCARD", KEYS[1]), statuses }
