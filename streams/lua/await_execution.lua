-- await_execution: be told on a reply list when an execution ends.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  control     hash of the execution
-- KEYS[3]  projection  hash of the execution
-- ARGV[1]  id          the execution's id
-- ARGV[2]  client      whose reply list gets the id
-- ARGV[3]  delivery    the message that it delivers, "" for none: see transition.lua; done by WAITING
-- RETURNS  "OVER" | "WAITING" | "UNKNOWN" | "OVERTAKEN"; only WAITING writes

--@include transition

if is_overtaken(ARGV[3]) then
  return "OVERTAKEN"
end
local id = living(ARGV[1])
if load(id) then
  local waiting = prefix .. "b:x:" .. id
  -- A server that is full refuses a script that begins by storing, and who waits stores next to nothing.
  call("SREM", waiting, ARGV[2])
  call("SADD", waiting, ARGV[2])
  call("HSET", prefix .. "k:" .. id, "ew", "1")
  delivered(ARGV[3])
  return "WAITING"
end
if call("EXISTS", prefix .. "x:" .. id) == 1 then
  return "OVER"
end
return "UNKNOWN"
