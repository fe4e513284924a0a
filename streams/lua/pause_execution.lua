-- pause_execution: let nobody go on with one execution until it is resumed; what it is told meanwhile is kept.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  control     hash of the execution
-- KEYS[3]  projection  hash of the execution
-- ARGV[1]  id          the execution's id
-- RETURNS  {"OK"} | {"UNKNOWN"} | {"OVER", status}; only OK writes

--@include transition

if not load(ARGV[1]) then
  local status = call("HGET", KEYS[3], "st")
  return status and { "OVER", status } or { "UNKNOWN" }
end
call("HSET", KEYS[2], "ps", 1)
return { "OK" }
