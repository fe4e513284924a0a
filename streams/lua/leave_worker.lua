-- leave_worker: a worker that holds nothing any more goes; a timekeeper hands over.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  workers     hash: worker -> what it says of itself
-- KEYS[3]  held        hash of what the worker holds
-- KEYS[4]  timekeeper  hash: worker, since, until
-- ARGV[1]  worker      incarnation
-- RETURNS  "LEFT" | "HOLDS" when it still holds work, which writes nothing: its lease runs out then

--@include transition

-- A lease that is being taken back in pieces has lost its "#" already.
if call("HLEN", KEYS[3]) > call("HEXISTS", KEYS[3], "#") then
  return "HOLDS"
end
call("DEL", KEYS[3])
hand_over(ARGV[1], math.huge)
call("HDEL", KEYS[2], ARGV[1])
call("ZREM", KEYS[1], due_member("lease", ARGV[1], 0, 0))
if call("HGET", KEYS[4], "worker") == ARGV[1] then
  call("DEL", KEYS[4])
  ring("resign")
end
return commit("LEFT")
