-- cancel_execution: ask a live execution to end, or end it and all below it, once per request.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  events      stream of the execution
-- KEYS[3]  control     record of the execution
-- KEYS[4]  projection  hash of the execution
-- ARGV[1]  now         unix ms, or "" for the server's clock
-- ARGV[2]  id          the execution's id
-- ARGV[3]  request     request id; the same again changes nothing
-- ARGV[4]  at_once     "1" ends it without asking, and then all its descendants
-- ARGV[5]  payload     encoded reason, of the request and of the terminal event alike
-- ARGV[6]  delivery    the message that it delivers, "" for none: see transition.lua
-- RETURNS  {"OK"} | {"UNKNOWN"} | {"OVER", status} | {"OVERTAKEN"}; only the first OK of a request appends

--@include transition

local id, request, at_once, payload = living(ARGV[2]), ARGV[3], ARGV[4] == "1", ARGV[5]

if is_overtaken(ARGV[6]) then
  return { "OVERTAKEN" }
end
delivered(ARGV[6])
local control = load(id)
if not control then
  local status = call("HGET", prefix .. "x:" .. id, "st")
  if not status then
    return { "UNKNOWN" }
  end
  local last = (call("XREVRANGE", prefix .. "e:" .. id, "+", "-", "COUNT", 1)[1] or { "", {} })[2]
  for i = 1, #last, 2 do
    if last[i] == "k" and last[i + 1] == request then
      return { "OK" }
    end
  end
  return { "OVER", status }
end
local now = clock(ARGV[1])
if at_once then
  let_go(control)
  control.closing = "end"
  finish(control, now, request, "cancelled", payload)
else
  cancel(control, now, request, payload)
end
return commit({ "OK" })
