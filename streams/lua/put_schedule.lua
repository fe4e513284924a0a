-- put_schedule: keep a schedule, new or changed, and set when it is due next.
--
-- KEYS[1]  due        sorted set; gives the partition's prefix
-- KEYS[2]  schedules  set of the ids of all
-- KEYS[3]  schedule   hash of this one
-- ARGV[1]  now        unix ms, or "" for the server's clock
-- ARGV[2]  id         of the schedule
-- ARGV[3]  expected   the revision that this one follows, "" for none: the schedule is new
-- ARGV[4]  revision   names this change; the same again changes nothing
-- ARGV[5]  paused     "1" or "0"
-- ARGV[6]  next       when it is due next, unix ms, or "" for never
-- ARGV[7]  after      unix ms after which that was looked for
-- ARGV[8]  payload    encoded: what it starts and when
-- RETURNS  "OK" | "CONFLICT" the schedule is at another revision; writes nothing

--@include transition

local id, expected, revision, paused, next_due = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

local known = call("HMGET", KEYS[3], "rv", "nx", "pa")
if known[1] == revision then
  return "OK"
end
if (known[1] or "") ~= expected then
  return "CONFLICT"
end

local now = clock(ARGV[1])
call("HSET", KEYS[3], "rv", revision, "sp", ARGV[8], "pa", paused)
call("HSETNX", KEYS[3], "in", revision)
call("HSETNX", KEYS[3], "cr", now)
call("SADD", KEYS[2], id)
if known[2] and known[2] ~= "" then
  call("ZREM", KEYS[1], due_member("cron", id, known[2], known[1]))
  -- Its time has come, also if the clock was set back since; it is not lost by the change.
  if paused == "0" and known[3] == "0" and tonumber(known[2]) <= math.max(now, tonumber(ARGV[7])) then
    next_due = known[2]
  end
end
call("HSET", KEYS[3], "nx", next_due)
call("HDEL", KEYS[3], "er")
if next_due ~= "" then
  later(next_due, "cron", id, next_due, revision)
end
start_waiting(id, now)
return commit("OK")
