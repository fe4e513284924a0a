-- await_execution: be told on a reply list when an execution ends.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  control     record of the execution
-- KEYS[3]  projection  hash of the execution
-- ARGV[1]  id          the execution's id
-- ARGV[2]  client      whose reply list gets the id
-- RETURNS  "OVER" | "WAITING" | "UNKNOWN"; only WAITING writes

--@include transition

local id = living(ARGV[1])
if wait_for(id, ARGV[2]) then
  return commit("WAITING")
end
if call("EXISTS", prefix .. "x:" .. id) == 1 then
  return "OVER"
end
return "UNKNOWN"
