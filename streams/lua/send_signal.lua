-- send_signal: append a signal to a live workflow, once per request, and wake it.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  events      stream of the execution
-- KEYS[3]  control     hash of the execution
-- KEYS[4]  projection  hash of the execution
-- KEYS[5]  requests    hash: request id -> version
-- ARGV[1]  now         unix ms, or "" for the server's clock
-- ARGV[2]  id          the execution's id
-- ARGV[3]  request     request id; the same again changes nothing
-- ARGV[4]  payload     encoded `signal_received` event
-- RETURNS  {"OK", version} | {"UNKNOWN"} | {"TASK"} | {"OVER", status}; only a first OK writes

--@include transition

local id, request, payload = ARGV[2], ARGV[3], ARGV[4]

local seen = call("HGET", KEYS[5], request)
if seen then
  return { "OK", tonumber(seen) }
end
local control = load(id)
if not control then
  local status = call("HGET", KEYS[4], "st")
  if status then
    return { "OVER", status }
  end
  return { "UNKNOWN" }
end
if control.ty ~= "workflow" then
  return { "TASK" }
end

append(control, clock(ARGV[1]), request, "signal_received", "d", payload)
call("HSET", KEYS[5], request, control.v)
save(control)
wake(control)
return { "OK", control.v }
