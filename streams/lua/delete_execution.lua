-- delete_execution: remove a finished root and all below it, a piece a call.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  projection  hash of the root
-- ARGV[1]  id          the root's id
-- ARGV[2]  units       how many executions this call may remove, 1 to 256
-- RETURNS  {"DONE"} | {"MORE"} call again | {"UNKNOWN"} | {"ALIVE", status, live descendants};
--          only DONE and MORE write

--@include transition
--@include deletion

local id, units = ARGV[1], tonumber(ARGV[2])

local status = call("HGET", KEYS[2], "st")
if not status then
  return { "UNKNOWN" }
end
local below = tonumber(call("HGET", prefix .. "c:" .. id, "#") or 0)
if call("EXISTS", prefix .. "k:" .. id) == 1 or below > 0 then
  return { "ALIVE", status, below }
end

fold_all()
if delete_tree(id, units) then
  return { "DONE" }
end
return { "MORE" }
