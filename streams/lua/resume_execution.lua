-- resume_execution: hand out again what was paused, or parked because its workers were lost one after the other.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  control     record of the execution
-- KEYS[3]  projection  hash of the execution
-- ARGV[1]  id          the execution's id
-- RETURNS  {"OK"} | {"NOT", wake} (it is neither) | {"UNKNOWN"} | {"OVER", status}; only OK writes

--@include transition

local id = living(ARGV[1])
local control = load(id)
if not control then
  local status = call("HGET", prefix .. "x:" .. id, "st")
  return status and { "OVER", status } or { "UNKNOWN" }
end
if control.wk ~= "stuck" and not control.ps then
  return { "NOT", control.wk }
end
call("HDEL", prefix .. "k+:" .. id, "ps")
call("ZREM", prefix .. "h", id)
control.ps = nil
if control.wk == "stuck" then
  out_of_trouble(control)
end
if control.wk == "stuck" or control.wk == "paused" then
  -- If its workflow, task or queue is paused, it is put aside once more.
  control.wk, control.ls = "queued", nil
  save(control)
  enqueue(control, false)
end
return commit({ "OK" })
