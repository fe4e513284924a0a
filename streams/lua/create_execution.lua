-- create_execution: the first events of root executions, each unless its id is taken.
--
-- KEYS[1]   due       sorted set; gives the partition's prefix
-- KEYS[2..] declared  the keys of the executions, for Redis Cluster; derived in here
-- ARGV[1]   now       unix ms, or "" for the server's clock
-- ARGV[2]   delivery  the message that the only one delivers, "" for none: see transition.lua; not done by CONFLICT
-- ARGV[3..] id, request, content, type, target, queue, definition, due, bounds, payload, attributes each
--             request     names this start; the same request again is the same start
--             content     digest of type, target and inputs; decides whether a second start is the same
--             type        "workflow" or "task"
--             definition  digest of the workflow's source, "" for a task
--             due         unix ms before which it is not handed out, or "" for at once
--             bounds      "" or five numbers, as in step.lua: how long it may take
--             payload     encoded `created` event
--             attributes  "" or lines, as in transition.lua
-- RETURNS  one answer each, in order: "CREATED" | "LIVES <id>" (an execution of this singleton does) | "EXISTS" (the same start was made before) | "CONFLICT" | "OVERTAKEN" |
--          {what is wrong with what is stored there}; only CREATED creates anything

--@include transition

local now, delivery = clock(ARGV[1]), ARGV[2]
if is_overtaken(delivery) then
  return { "OVERTAKEN" }
end

local function start(at)
  local id, content, due = ARGV[at], ARGV[at + 2], ARGV[at + 7]
  local stream = prefix .. "e:" .. id
  if call("EXISTS", stream, prefix .. "n:" .. id) > 0 then
    local first = call("XRANGE", prefix .. "e:" .. newest_run(id), "1-0", "1-0")[1]
    local fields = first and first[2] or {}
    for i = 1, #fields, 2 do
      if fields[i] == "h" and fields[i + 1] == content then
        delivered(delivery)
        return "EXISTS"
      end
    end
    return "CONFLICT"
  end
  local single = singleton_of(id)
  local other = single and call("HGET", prefix .. "1", single)
  if other and load(newest_run(other)) then
    return "LIVES " .. other
  end
  delivered(delivery)
  if single then
    call("HSET", prefix .. "1", single, id)
  end
  create({
    id = id, ["in"] = ARGV[at + 1], h = content, ty = ARGV[at + 3], tg = ARGV[at + 4], q = ARGV[at + 5], df = ARGV[at + 6],
    due = due ~= "" and tonumber(due) > now and tonumber(due) or nil,
    bounds = ARGV[at + 8], payload = ARGV[at + 9],
    ab = ARGV[at + 10],
  }, now)
  return "CREATED"
end

local answers = {}
for at = 3, #ARGV, 11 do
  local done, answer = apart(start, at)
  answers[#answers + 1] = done and answer or { answer }
end
return commit(answers)
