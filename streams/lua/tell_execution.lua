-- tell_execution: append an event of the world to a live workflow, once per request, and wake it.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  events      stream of the execution
-- KEYS[3]  control     record of the execution
-- KEYS[4]  projection  hash of the execution
-- KEYS[5]  requests    hash: request id -> version
-- ARGV[1]  now          unix ms, or "" for the server's clock
-- ARGV[2]  id           the execution's id
-- ARGV[3]  request      request id; the same again changes nothing
-- ARGV[4]  type         "signal_received", or "child_completed" and the like: what it asked of another tree
-- ARGV[5]  n            number of the command that it answers, "" for a signal
-- ARGV[6]  asked        "<version> <token>" of the event that asked, "" for a signal
-- ARGV[7]  payload      encoded event
-- ARGV[8]  delivery     the message that it delivers, "" for none: see transition.lua
-- ARGV[9]  receiver     of the signal whose delivery this tells of, if it lies in this partition; else ""
-- ARGV[10] sent         request id of that signal
-- RETURNS  {"OK", version} | {"UNKNOWN"} | {"TASK"} | {"OVER", status} | {"OVERTAKEN"} | {"UNASKED"} there is no
--          such event: a failover has lost it, or the id is another's by now; an answer to what
--          has ended only takes the child from its tree, anything else than a first OK appends nothing

--@include transition

local request, type_, n, asked, payload = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
-- An answer is for the run that asked.
local id = n == "" and living(ARGV[2]) or ARGV[2]

-- A failover may have undone the step before, and left the message that both are of.
if is_overtaken(ARGV[8]) or (ARGV[9] ~= "" and not answered_before(living(ARGV[9]), ARGV[10])) then
  return { "OVERTAKEN" }
end
delivered(ARGV[8])
local seen = answered_before(id, request)
if seen then
  return { "OK", tonumber(seen) }
end
if n ~= "" then
  local version, token = string.match(asked, "^(%d+) (.*)$")
  local event = call("XRANGE", KEYS[2], version .. "-0", version .. "-0")[1]
  if not event or field_of(event, "k") ~= token then
    return { "UNASKED" }
  end
end
local control = load(id)
if not control then
  local status = call("HGET", prefix .. "x:" .. id, "st")
  if n ~= "" and status then
    leave_tree(id .. "/" .. n)
  end
  return status and { "OVER", status } or { "UNKNOWN" }
end
if control.ty ~= "workflow" then
  return { "TASK" }
end

if n == "" then
  append(control, clock(ARGV[1]), request, type_, "d", payload)
else
  call("HDEL", prefix .. "c:" .. id, n)
  append(control, clock(ARGV[1]), request, type_, "n", n, "d", payload)
end
call("HSET", prefix .. "r:" .. id, request, control.v)
wake(control)
return commit({ "OK", control.v })
