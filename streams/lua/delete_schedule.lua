-- delete_schedule: forget a schedule; what it started goes on.
--
-- KEYS[1]  due        sorted set; gives the partition's prefix
-- KEYS[2]  schedules  set of the ids of all
-- KEYS[3]  schedule   hash of this one
-- KEYS[4]  running    sorted set of what it started and lives
-- KEYS[5]  waiting    list of due times that wait
-- ARGV[1]  id         of the schedule
-- RETURNS  "OK" | "UNKNOWN"

--@include transition

local known = call("HMGET", KEYS[3], "rv", "nx")
if not known[1] then
  return "UNKNOWN"
end
if known[2] and known[2] ~= "" then
  call("ZREM", KEYS[1], due_member("cron", ARGV[1], known[2], known[1]))
end
call("DEL", KEYS[3], KEYS[4], KEYS[5])
call("SREM", KEYS[2], ARGV[1])
return "OK"
