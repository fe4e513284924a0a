-- migrate_execution: let a live workflow go on with another definition, on which its history was replayed.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  control     record of the execution
-- KEYS[3]  projection  hash of the execution
-- KEYS[4]  snapshot    hash of its machine, which is of the other definition
-- KEYS[5]  requests    hash: request id -> version
-- ARGV[1]  now         unix ms, or "" for the server's clock
-- ARGV[2]  id          the execution's id
-- ARGV[3]  request     names this migration; the same again does nothing more
-- ARGV[4]  version     up to which its history was replayed
-- ARGV[5]  definition  digest of the source
-- ARGV[6]  payload     encoded `migrated` event
-- RETURNS  {"OK"} | {"CHANGED"} (there are more events, or a worker has it: replay, then repeat) |
--          {"UNKNOWN"} | {"OVER", status}; only OK writes

--@include transition

local id = ARGV[2]
if answered_before(id, ARGV[3]) then
  return { "OK" }
end
local control = load(id)
if not control then
  local status = call("HGET", KEYS[3], "st")
  return status and { "OVER", status } or { "UNKNOWN" }
end
if tonumber(control.v) ~= tonumber(ARGV[4]) or control.wk == "claimed" then
  return { "CHANGED" }
end
append(control, clock(ARGV[1]), ARGV[3], "migrated", "d", ARGV[6])
call("HSET", KEYS[5], ARGV[3], control.v)
call("DEL", KEYS[4])
call("HSET", KEYS[3], "df", ARGV[5])
-- Whoever holds its machine holds one of the other definition: all of it is to be replayed, by anybody.
local door = control.by and prefix .. "h:" .. control.by
control.by = nil
save(control)
if door and call("LREM", door, 1, message_of({ ty = "workflow", id = id })) == 1 then
  enqueue(control, true)
end
wake(control)
return commit({ "OK" })
