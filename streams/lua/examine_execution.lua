-- examine_execution: all that the store keeps of one execution beside its events, read at one moment.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  events      stream of the execution
-- KEYS[3]  control     record of the execution
-- KEYS[4]  projection  hash of the execution
-- ARGV[1]  id          the execution's id
-- RETURNS  {version, {field, value, …} of control, {field, value, …} of projection,
--           {status, …} whose index has it, {name, …} of the other indexes that have it, times it is queued,
--           1 if the worker of its token holds it, due or false, {timer, …} that are in the due set,
--           what stops it or false}

--@include transition

local id = ARGV[1]
fold_all()
local fields, facts = call("HGETALL", prefix .. "k+:" .. id), call("HGETALL", KEYS[4])
local is_sound, all_facts = apart(facts_of, id)
facts = is_sound and all_facts or facts
local control, by_name, of_facts = {}, {}, {}
local function known(name, value)
  by_name[name] = value
  control[#control + 1] = name
  control[#control + 1] = tostring(value)
end
local stored = call("GET", KEYS[3])
local is_whole, record = apart(parse, id, stored or "")
for _, name in ipairs(is_whole and WORDS or {}) do
  if record[name] then
    known(name, record[name])
  end
end
if stored and not is_whole then
  known("c", stored)
end
for i = 1, #fields, 2 do
  known(fields[i], fields[i + 1])
end
for i = 1, #facts, 2 do
  of_facts[facts[i]] = facts[i + 1]
end

local statuses = {}
for _, status in ipairs({ "pending", "suspended", "completed", "failed", "cancelled", "restarted" }) do
  if of_facts.cr and index_has("s:" .. status, of_facts.cr, id) then
    statuses[#statuses + 1] = status
  end
end
local indexes = {}
for _, pair in ipairs({ { "g", "tg" }, { "q", "q" }, { "y", "ty" }, { "p" }, { "c", "sc" }, { "e", "er" } }) do
  local value = pair[2] and of_facts[pair[2]] or pair[1] == "p" and parent_of(id)
  if of_facts.cr and value and index_has(pair[1] .. ":" .. value, of_facts.cr, id) then
    indexes[#indexes + 1] = pair[1]
  end
end

for name, value in pairs(of_facts) do
  if string.sub(name, 1, 1) == "@" and of_facts.cr and index_has("a:" .. string.sub(name, 2) .. "=" .. value, of_facts.cr, id) then
    indexes[#indexes + 1] = name
  end
end

local queued = 0
if by_name.q then
  local message = message_of({ ty = by_name.ty, id = id })
  local queue = lane_list(by_name.fl or USUAL_LANE, by_name.q)
  queued = #call("LPOS", queue, message, "COUNT", 0)
  local first = call("XRANGE", KEYS[2], "1-0", "1-0")[1]
  if first and by_name["in"] then
    local content = by_name.ty == "workflow" and field_of(first, "h")
    local full = message_of({ ty = by_name.ty, id = id, ["in"] = by_name["in"], h = content, born = payload_of(first) })
    queued = queued + #call("LPOS", queue, full, "COUNT", 0)
  end
  if by_name.by then
    queued = queued + #call("LPOS", prefix .. "h:" .. by_name.by, message, "COUNT", 0)
  end
end
local is_held = 0
local worker = string.match(by_name.tk or "", "^(.*)%.%d+$")
if worker then
  local held = call("HGET", prefix .. "a:" .. worker, id)
  is_held = held and string.match(held, "^%S+") == by_name.tk and 1 or 0
end
local due = by_name["in"] and call("ZSCORE", KEYS[1], due_member("ready", id, 0, by_name["in"])) or false
local timers = {}
for name, _ in pairs(by_name) do
  local n = string.match(name, "^T(%d+)$")
  if n and by_name["in"] and call("ZSCORE", KEYS[1], due_member("timer", id, n, by_name["in"])) then
    timers[#timers + 1] = n
  end
end
return {
  call("XLEN", KEYS[2]), control, facts, statuses, indexes, queued, is_held, due, timers,
  call("HGET", prefix .. "z", id),
}
