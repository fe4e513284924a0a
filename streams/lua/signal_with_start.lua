-- signal_with_start: start a workflow under an id unless it lives, and send it a signal, at one moment.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  events      stream of the execution
-- KEYS[3]  control     record of the execution
-- KEYS[4]  projection  hash of the execution
-- KEYS[5]  requests    hash: request id -> version
-- ARGV[1]  now         unix ms, or "" for the server's clock
-- ARGV[2]  id          the execution's id
-- ARGV[3]  request     request id; the same again changes nothing
-- ARGV[4]  content     digest of type, target and inputs of the start
-- ARGV[5]  target      name of the workflow
-- ARGV[6]  queue       name of the queue
-- ARGV[7]  definition  digest of the workflow's source
-- ARGV[8]  bounds      "" or five numbers, as in step.lua
-- ARGV[9]  created     encoded `created` event
-- ARGV[10] signal      encoded `signal_received` event
-- ARGV[11] attributes  of the start: "" or lines, as in transition.lua
-- RETURNS  {"STARTED"} | {"OK"} (it lived) | {"CONFLICT"} the id belongs to other content |
--          {"OVER", status}; only the first STARTED or OK of a request writes

--@include transition

local id, request = ARGV[2], ARGV[3]

local run = living(id)
if answered_before(run, request) then
  return { "OK" }
end
local now = clock(ARGV[1])
local answer = "OK"
local first = call("XRANGE", prefix .. "e:" .. run, "1-0", "1-0")[1]
if not first then
  answer = "STARTED"
  create({
    id = id, ["in"] = request, h = ARGV[4], ty = "workflow", tg = ARGV[5], q = ARGV[6], df = ARGV[7],
    bounds = ARGV[8], payload = ARGV[9], ab = ARGV[11],
  }, now)
elseif field_of(first, "h") ~= ARGV[4] then
  return { "CONFLICT" }
end
local control = load(run)
if not control then
  return { "OVER", call("HGET", prefix .. "x:" .. run, "st") }
end
append(control, now, request, "signal_received", "d", ARGV[10])
call("HSET", prefix .. "r:" .. run, request, control.v)
wake(control)
return commit({ answer })
