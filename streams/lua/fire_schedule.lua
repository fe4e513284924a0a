-- fire_schedule: a schedule's time has come: start what it starts, as its overlap policy wants, and set the
-- next time. Both in one, so that each due time is had once.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  schedule    hash of the schedule
-- KEYS[3]  running     sorted set of what it started and lives
-- KEYS[4]  waiting     list of due times that wait for the end of these
-- KEYS[5]  events      stream of the execution
-- ARGV[1]  now         unix ms, or "" for the server's clock
-- ARGV[2]  schedule    its id
-- ARGV[3]  incarnation of the schedule, as it was read
-- ARGV[4]  why         "due" | "waiting": a due time that waited | "asked": somebody asks for it now
-- ARGV[5]  revision    with "due": of the schedule, as it was read; else not looked at
-- ARGV[6]  due_ms      the due time, unix ms
-- ARGV[7]  next        with "due": when it is due next, unix ms, or "" for never
-- ARGV[8]  missed      how many due times are so long past that they are passed over, this one among them;
--                      0: this one is started
-- ARGV[9]  failure     why nothing can be started, in words; "" when it can
-- ARGV[10] overlap     "skip" | "queue" | "cancel" | "allow"
-- ARGV[11] reason      encoded reason why others are cancelled
-- ARGV[12] id          the execution's id
-- ARGV[13] request     becomes the execution's incarnation; the same again is the same start
-- ARGV[14] type, ARGV[15] target, ARGV[16] queue, ARGV[17] definition, ARGV[18] start, ARGV[19] bounds,
-- ARGV[20] content, ARGV[21] payload, ARGV[22] attributes: as in create_execution
-- ARGV[23] delivery    the message that it delivers, "" for none: see transition.lua
-- RETURNS  "STARTED" | "WAITING" | "SKIPPED" | "MISSED" | "FAILED" | "EXISTS" it was started by another request
--        | "GONE" the schedule is another one by now | "OVERTAKEN"

--@include transition

local schedule, why, due, next_due = ARGV[2], ARGV[4], ARGV[6], ARGV[7]
local missed, failure, overlap, id, request = tonumber(ARGV[8]), ARGV[9], ARGV[10], ARGV[12], ARGV[13]

-- More than this would tell of a schedule whose runs take longer than its interval.
local MOST_WAITING = 1000
-- What one script may do.
local MOST_CANCELLED = 64

if is_overtaken(ARGV[23]) then
  return "OVERTAKEN"
end
delivered(ARGV[23])
local known = call("HMGET", KEYS[2], "in", "rv", "nx", "wt")
if known[1] ~= ARGV[3] or (why == "due" and (known[2] ~= ARGV[5] or known[3] ~= due)) then
  return "GONE"
end
local now = clock(ARGV[1])
if why == "waiting" then
  call("HDEL", KEYS[2], "wt")
end
if why == "due" then
  -- A change since it was noticed has set it once more.
  call("ZREM", KEYS[1], due_member("cron", schedule, due, known[2]))
  call("HSET", KEYS[2], "nx", next_due, "ld", due)
  if next_due ~= "" then
    later(next_due, "cron", schedule, next_due, known[2])
  end
end

local function count(name, number)
  call("HINCRBY", KEYS[2], name, number)
end

local function start()
  create({
    id = id, ["in"] = request, h = ARGV[20], ty = ARGV[14], tg = ARGV[15], q = ARGV[16], df = ARGV[17],
    due = ARGV[18] ~= "" and tonumber(ARGV[18]) > now and tonumber(ARGV[18]) or nil,
    bounds = ARGV[19], payload = ARGV[21], ab = ARGV[22],
  }, now)
  call("ZADD", KEYS[3], due, id)
  call("HSET", KEYS[2], "lx", id)
  call("HDEL", KEYS[2], "er")
  count("#st", 1)
  return "STARTED"
end

local function cancel_others()
  for _, other in ipairs(call("ZRANGE", KEYS[3], 0, MOST_CANCELLED - 1)) do
    local done, reason = apart(function()
      local control = load(other)
      if control then
        cancel(control, now, request, ARGV[11])
      end
    end)
    if not done then
      park(other, reason)
    end
  end
end

local function fire()
  if missed > 0 then
    count("#mi", missed)
    return "MISSED"
  end
  if failure ~= "" then
    call("HSET", KEYS[2], "er", failure)
    count("#fa", 1)
    return "FAILED"
  end
  local first = call("XRANGE", KEYS[5], "1-0", "1-0")[1]
  if first then
    for i = 1, #first[2], 2 do
      if first[2][i] == "k" and first[2][i + 1] == request then
        return "STARTED"
      end
    end
    return "EXISTS"
  end
  local others = call("ZCARD", KEYS[3]) > 0
  if overlap == "skip" and others then
    count("#sk", 1)
    return "SKIPPED"
  end
  if overlap == "queue" and (others or (why ~= "waiting" and (known[4] or call("LLEN", KEYS[4]) > 0))) then
    if call("LLEN", KEYS[4]) >= MOST_WAITING then
      count("#sk", 1)
      return "SKIPPED"
    end
    call(why == "waiting" and "LPUSH" or "RPUSH", KEYS[4], due)
    return "WAITING"
  end
  if overlap == "cancel" and others then
    cancel_others()
  end
  return start()
end

local answer = fire()
start_waiting(schedule, now)
return commit(answer)
