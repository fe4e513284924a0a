-- pause_execution: let nobody go on with one execution until it is resumed; what it is told meanwhile is kept.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  control     record of the execution
-- KEYS[3]  projection  hash of the execution
-- ARGV[1]  now         unix ms, or "" for the server's clock
-- ARGV[2]  id          the execution's id
-- RETURNS  {"OK"} | {"UNKNOWN"} | {"OVER", status}; only OK writes

--@include transition

local id = living(ARGV[2])
local control = load(id)
if not control then
  local status = call("HGET", prefix .. "x:" .. id, "st")
  return status and { "OVER", status } or { "UNKNOWN" }
end
keep(control, "ps", 1)
call("ZADD", prefix .. "h", "NX", clock(ARGV[1]), id)
return commit({ "OK" })
