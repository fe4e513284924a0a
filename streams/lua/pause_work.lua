-- pause_work: let nobody take the work of a queue, or of a workflow's or task's name, until it is resumed; or
-- let it be taken again.
--
-- KEYS[1]  due     sorted set; gives the partition's prefix
-- KEYS[2]  pauses  hash: what is paused -> since when, and why
-- ARGV[1]  now     unix ms, or "" for the server's clock
-- ARGV[2]  kind    "queue" | "workflow" | "task"
-- ARGV[3]  name    of the queue, workflow or task
-- ARGV[4]  paused  "1" or "0"
-- ARGV[5]  note    why, for people
-- RETURNS  1 if that changed something, else 0; pausing once more changes the note

--@include transition

local what = ARGV[2] .. ":" .. ARGV[3]
local now = clock(ARGV[1])
local known = call("HGET", KEYS[2], what)
if ARGV[4] == "1" then
  local since = known and string.match(known, "^%d+") or now
  call("HSET", KEYS[2], what, since .. " " .. ARGV[5])
  return known and 0 or 1
end
if not known then
  return 0
end
call("HDEL", KEYS[2], what)
if ARGV[2] == "queue" then
  may_have_lanes[ARGV[3]] = true
  ring("q:" .. ARGV[3])
else
  -- There may be many: the timekeeper gives them back in pieces.
  later(now, "release", ARGV[2], 0, ARGV[3])
end
return commit(1)
