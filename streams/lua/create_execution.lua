-- create_execution: the first event of a root execution, unless its id is taken.
--
-- KEYS[1]  due        sorted set; gives the partition's prefix
-- KEYS[2]  events     stream of the execution
-- KEYS[3]  control    hash of the execution
-- KEYS[4]  projection hash of the execution
-- ARGV[1]  now         unix ms, or "" for the server's clock
-- ARGV[2]  id          the execution's id
-- ARGV[3]  request     names this start; the same request again is the same start
-- ARGV[4]  content     digest of type, target and inputs; decides whether a second start is the same
-- ARGV[5]  type        "workflow" or "task"
-- ARGV[6]  target      name of the workflow or task
-- ARGV[7]  queue       name of the queue
-- ARGV[8]  definition  digest of the workflow's source, "" for a task
-- ARGV[9]  due         unix ms before which it is not handed out, or "" for at once
-- ARGV[10] bounds      "" or five numbers, as in step.lua: how long it may take
-- ARGV[11] payload     encoded `created` event
-- ARGV[12] delivery    the message that it delivers, "" for none: see transition.lua; not done by CONFLICT
-- RETURNS  "CREATED" | "EXISTS" (the same start was made before) | "CONFLICT" | "OVERTAKEN"; only CREATED
--          creates anything

--@include transition

local id, content, due = ARGV[2], ARGV[4], ARGV[9]

if is_overtaken(ARGV[12]) then
  return "OVERTAKEN"
end
local first = call("XRANGE", KEYS[2], "1-0", "1-0")[1]
if first then
  local fields = first[2]
  for i = 1, #fields, 2 do
    if fields[i] == "h" and fields[i + 1] == content then
      delivered(ARGV[12])
      return "EXISTS"
    end
  end
  return "CONFLICT"
end

delivered(ARGV[12])
local now = clock(ARGV[1])
create({
  id = id, ["in"] = ARGV[3], h = content, ty = ARGV[5], tg = ARGV[6], q = ARGV[7], df = ARGV[8],
  due = due ~= "" and tonumber(due) > now and tonumber(due) or nil,
  bounds = ARGV[10], payload = ARGV[11],
}, now)
return commit("CREATED")
