-- tend_due: the timekeeper's turn: fire what has become due, take back what lost workers held.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  timekeeper  hash: worker, since, until
-- KEYS[3]  workers     hash: worker -> what it says of itself
-- ARGV[1]  now         unix ms, or "" for the server's clock
-- ARGV[2]  worker      who asks to be timekeeper
-- ARGV[3]  term_ms     how long it is timekeeper from now on
-- ARGV[4]  units       how much work this call may do, 1 to 256
-- ARGV[5]  max_lost    after so many lost workers a task fails
-- ARGV[6]  lost        encoded `failed` event for such a task
-- RETURNS  {"OTHER", until} another worker is timekeeper; writes nothing
--        | {"KEEPER", now, next_due or 0, {lost worker…}, fired}; next_due <= now when work is left

--@include transition

local due_set, keeper = KEYS[1], KEYS[2]
local worker, term_ms, units = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local max_lost, lost_payload = tonumber(ARGV[5]), ARGV[6]
local now = clock(ARGV[1])

local current = call("HMGET", keeper, "worker", "since", "until")
-- A term that begins after now was granted before the clock stepped back: it would never end.
if current[1] and current[1] ~= worker and tonumber(current[2]) <= now and now < tonumber(current[3]) then
  return { "OTHER", tonumber(current[3]) }
end
call("HSET", keeper, "worker", worker, "since", now, "until", now + term_ms)

local fired = 0
local lost_workers = {}

local function fire_timer(id, n, incarnation)
  local control = load(id)
  if control and control["in"] == incarnation and call("HDEL", prefix .. "k:" .. id, "T" .. n) == 1 then
    append(control, now, "timer", "timer_fired", "n", n)
    save(control)
    wake(control)
  end
end

local function make_ready(id, _, incarnation)
  local control = load(id)
  if control and control["in"] == incarnation and control.wk == "due" then
    control.wk = "queued"
    save(control, "wk", "queued")
    enqueue(control, false)
  end
end

-- Takes back one piece of work; its token dies with this.
local function take_back(id, token)
  local control = load(id)
  if not control or control.tk ~= token then
    return
  end
  local lost = tonumber(control.ls or 0) + 1
  if control.ty == "task" then
    if lost >= max_lost then
      finish(control, now, token, "failed", lost_payload)
      return
    end
    append(control, now, token, "attempt_failed", "n", control.at, "e", "WorkerLost", "r", "")
    move(control, "pending")
  end
  save(control, "st", control.st, "wk", "queued", "tk", "", "ls", lost, "ch", 0, "ow", 0)
  enqueue(control, true)
end

-- Returns whether all that the worker held is back.
local function recover(lost_worker)
  local held = prefix .. "a:" .. lost_worker
  call("HDEL", held, "#")
  local entries = call("HGETALL", held)
  for i = 1, #entries, 2 do
    if units <= 0 then
      return false
    end
    units = units - 1
    take_back(entries[i], string.match(entries[i + 1], "^(%S+)"))
    call("HDEL", held, entries[i])
  end
  call("HDEL", KEYS[3], lost_worker)
  return true
end

local FIRE = { timer = fire_timer, ready = make_ready }

local members = call("ZRANGEBYSCORE", due_set, "-inf", now, "LIMIT", 0, units)
for _, member in ipairs(members) do
  if units <= 0 then
    break
  end
  local kind, id, n, incarnation = string.match(member, "^(%a+)|([^|]*)|([^|]*)|(.*)$")
  if kind == "lease" then
    if recover(id) then
      call("ZREM", due_set, member)
      lost_workers[#lost_workers + 1] = id
    end
  else
    units = units - 1
    call("ZREM", due_set, member)
    FIRE[kind](id, n, incarnation)
    fired = fired + 1
  end
end

local next_due = call("ZRANGE", due_set, 0, 0, "WITHSCORES")[2]
return { "KEEPER", now, tonumber(next_due or 0), lost_workers, fired }
