-- rebuild_execution: make the projection and the index entries of one execution anew.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  events      stream of the execution
-- KEYS[3]  projection  hash of the execution
-- ARGV[1]  id          the execution's id
-- ARGV[2]  version     how many events the facts were made of
-- ARGV[3]  state       encoded state that it shows, "" for none
-- ARGV[4..] facts      field, value, … of the projection
-- RETURNS  "OK" | "CHANGED" there are more events by now: read them, then repeat; writes nothing

--@include transition

local id = ARGV[1]
if call("XLEN", KEYS[2]) ~= tonumber(ARGV[2]) then
  return "CHANGED"
end
fold_all()
local fields, facts = {}, {}
for i = 4, #ARGV, 2 do
  facts[ARGV[i]] = ARGV[i + 1]
end
local is_sound, control = apart(load, id)
if not facts.co and is_sound and control then
  control.st, control.sa, control.at = facts.st, facts.sa, facts.at
  save(control)
end
for name, value in pairs(facts) do
  if facts.co or not (name == "st" or name == "sa" or name == "at") then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end
if ARGV[3] ~= "" then
  fields[#fields + 1] = "sv"
  fields[#fields + 1] = ARGV[3]
end
call("HDEL", prefix .. "z", id)
take_attributes(id, facts.cr)
-- Of its place in an index no event tells.
local child = redis.pcall("HGET", KEYS[3], "ch")
if type(child) == "string" then
  fields[#fields + 1] = "ch"
  fields[#fields + 1] = child
end
local error_name = redis.pcall("HGET", KEYS[3], "er")
if type(error_name) == "string" then
  index_remove("e:" .. error_name, { facts.cr, id })
end
call("DEL", KEYS[3])
call("HSET", KEYS[3], unpack(fields))
for _, status in ipairs({ "pending", "suspended", "completed", "failed", "cancelled", "restarted" }) do
  index_remove("s:" .. status, { facts.cr, id })
end
for _, pair in ipairs({ { "s", "st" }, { "g", "tg" }, { "q", "q" }, { "y", "ty" }, { "c", "sc" }, { "e", "er" } }) do
  if facts[pair[2]] then
    local value = facts[pair[2]]
    index_add(pair[1] .. ":" .. (pair[2] == "st" and index_of_status(value) or value), { facts.cr, id })
  end
end
if parent_of(id) and not index_has("p:" .. parent_of(id), facts.cr, id) then
  index_add("p:" .. parent_of(id), { facts.cr, id })
end
for name, value in pairs(facts) do
  if string.sub(name, 1, 1) == "@" then
    index_add("a:" .. string.sub(name, 2) .. "=" .. value, { facts.cr, id })
  end
end
if facts.q ~= "default" then
  call("SADD", prefix .. "q", facts.q)
end
return commit("OK")
