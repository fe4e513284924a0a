-- tend_due: the timekeeper's turn: fire what has become due, take back what lost workers held.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  timekeeper  hash: worker, since, until
-- KEYS[3]  workers     hash: worker -> what it says of itself
-- ARGV[1]  now         unix ms, or "" for the server's clock
-- ARGV[2]  worker      who asks to be timekeeper
-- ARGV[3]  term_ms     how long it is timekeeper from now on
-- ARGV[4]  units       how much work this call may do, 1 to 256
-- ARGV[5]  max_lost    after so many lost workers in a row a task fails, and a workflow is parked
-- ARGV[6]  lost_error  the error's name in:
-- ARGV[7]  lost        encoded `failed` event for such a task
-- ARGV[8]  late_error, ARGV[9] late: the same for what did not end within its time
-- ARGV[10] unclaimed_error, ARGV[11] unclaimed: for what nobody began within its time
-- ARGV[12] silent_error, ARGV[13] silent: for a task that sent no heartbeat
-- ARGV[14] closed      encoded reason why children of an ended parent are cancelled
-- ARGV[15] kept_ms     how long after its end a tree is kept, "" for ever
-- RETURNS  {"OTHER", until} another worker is timekeeper; writes nothing
--        | {"KEEPER", now, next_due or 0, {lost worker…}, fired, to_tell}; next_due <= now when work is left; to_tell: 1 if
--          exchange_permits is to be called, else 0

--@include transition
--@include deletion

local due_set, keeper = KEYS[1], KEYS[2]
local worker, term_ms, units = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local max_lost, closed_payload = tonumber(ARGV[5]), ARGV[14]
local now = clock(ARGV[1])

local current = call("HMGET", keeper, "worker", "since", "until")
-- A term that begins after now was granted before the clock stepped back: it would never end.
if current[1] and current[1] ~= worker and tonumber(current[2]) <= now and now < tonumber(current[3]) then
  return { "OTHER", tonumber(current[3]) }
end
call("HSET", keeper, "worker", worker, "since", now, "until", now + term_ms)

local fired = 0
local lost_workers = {}

-- at: of the error's name among the arguments; its event follows.
local function fail(control, cause, at)
  control.er = ARGV[at]
  finish(control, now, cause, "failed", ARGV[at + 1])
end
local LOST, LATE, UNCLAIMED, SILENT = 6, 8, 10, 12

local function fire_timer(id, n, incarnation)
  local control = load(id)
  if control and control["in"] == incarnation and call("HDEL", prefix .. "k+:" .. id, "T" .. n) == 1 then
    append(control, now, "timer", "timer_fired", "n", n)
    wake(control)
  end
end

local function make_ready(id, _, incarnation)
  local control = load(id)
  if control and control["in"] == incarnation and control.wk == "due" then
    control.wk = "queued"
    save(control)
    if control.db then
      take_no_more_starts(control)
    end
    if control.ty == "task" then
      enqueue_at_door(control, false)
    else
      enqueue(control, false)
    end
  end
end

local function alive(id, incarnation)
  local control = load(id)
  return control and control["in"] == incarnation and control or nil
end

local function end_late(id, _, incarnation)
  local control = alive(id, incarnation)
  if control then
    let_go(control)
    fail(control, "deadline", LATE)
  end
end

local function end_unclaimed(id, _, incarnation)
  local control = alive(id, incarnation)
  if control then
    fail(control, "unclaimed", UNCLAIMED)
  end
end

local function end_after_grace(id, _, incarnation)
  local control = alive(id, incarnation)
  if control then
    let_go(control)
    finish(control, now, "grace", "cancelled", control.cq)
  end
end

-- What the timekeeper ends has its name as the cause, not the token: who settles with that later is told
-- that it came too late, not that it was done.
local function miss_beat(id, attempt, token)
  local control = load(id)
  if not control or control.tk ~= token or control.at ~= attempt then
    return
  end
  let_go(control)
  if control.cq then
    finish(control, now, "beat", "cancelled", control.cq)
  elseif tonumber(attempt) >= tonumber(control.ma) then
    fail(control, "beat", SILENT)
  else
    local due = now + control.ri
    append(control, now, "beat", "attempt_failed", "n", attempt, "e", "TimeoutError", "r", due)
    move(control, "pending")
    later(due, "ready", id, 0, control["in"])
    control.wk, control.tk = "due", nil
    save(control)
  end
end

-- What has ended has no control record; after its deletion another one may have its id.
local function incarnation_of(id)
  local first = call("XRANGE", prefix .. "e:" .. id, "1-0", "1-0")[1]
  local fields = first and first[2] or {}
  for i = 1, #fields, 2 do
    if fields[i] == "k" then
      return fields[i + 1]
    end
  end
end

-- Children of an ended workflow: those that were to end with it are asked to, once each.
local function close_children(id, _, incarnation)
  if incarnation_of(id) ~= incarnation then
    return
  end
  local key = prefix .. "c:" .. id
  local children = call("HGETALL", key)
  for i = 1, #children, 2 do
    local n, entry = children[i], children[i + 1]
    if entry == "c" or string.sub(entry, 1, 3) == "@c|" then
      if units <= 0 then
        later(now, "close", id, 0, incarnation)
        return
      end
      units = units - 1
      call("HSET", key, n, (string.gsub(entry, "c", "C", 1)))
      part_with({ id = id, ["in"] = incarnation }, n, entry, now, "close", closed_payload, false)
    end
  end
end

-- Children of a terminated execution: all end at once, and theirs.
local function end_children(id, _, incarnation)
  if incarnation_of(id) ~= incarnation then
    return
  end
  local key = prefix .. "c:" .. id
  local children = call("HGETALL", key)
  for i = 1, #children, 2 do
    local n, entry = children[i], children[i + 1]
    if units <= 0 then
      later(now, "end", id, 0, incarnation)
      return
    end
    units = units - 1
    if entry == "-" then
      local child = id .. "/" .. n
      later(now, "end", child, 0, incarnation_of(child) or "")
    elseif entry ~= "@-" then
      part_with({ id = id, ["in"] = incarnation }, n, entry, now, "end", closed_payload, true)
      if string.sub(entry, 1, 1) == "@" then
        call("HSET", key, n, "@-")
      end
    end
  end
end

-- Takes back one piece of work; its token dies with this.
local function take_back(id, token)
  local control = load(id)
  if not control or control.tk ~= token then
    return
  end
  local lost = tonumber(control.ls or 0) + 1
  local wake_state = "queued"
  if control.ty == "task" then
    if control.cq then
      finish(control, now, "lost", "cancelled", control.cq)
      return
    end
    if lost >= max_lost then
      fail(control, "lost", LOST)
      return
    end
    append(control, now, "lost", "attempt_failed", "n", control.at, "e", "WorkerLost", "r", "")
    move(control, "pending")
    if control.hb then
      call("ZREM", due_set, beat_member(control))
    end
  elseif lost >= max_lost then
    wake_state = "stuck"
  end
  control.wk, control.tk, control.ls, control.ch, control.ow = wake_state, nil, digits(lost), nil, nil
  save(control)
  if wake_state == "queued" then
    enqueue(control, true)
  else
    in_trouble(id, lost .. " workers in a row were lost with it")
  end
end

-- What is damaged is parked; everything else that is due goes on.
local function do_apart(work, id, ...)
  local done, reason = apart(work, id, ...)
  if not done then
    park(id, reason)
  end
end

-- Returns whether all that the worker held is back.
local function recover(lost_worker)
  local held = prefix .. "a:" .. lost_worker
  call("HDEL", held, "#")
  at_work[lost_worker] = false
  units = units - hand_over(lost_worker, units)
  local entries = call("HGETALL", held)
  for i = 1, #entries, 2 do
    if units <= 0 then
      return false
    end
    units = units - 1
    do_apart(take_back, entries[i], string.match(entries[i + 1], "^(%S+)"))
    call("HDEL", held, entries[i])
  end
  call("HDEL", KEYS[3], lost_worker)
  return true
end

-- A schedule's time has come. Which is the next, and what is to be started, Lua cannot know: whoever
-- delivers the message does, and fire_schedule starts it and sets the next in one.
local function fire_schedule(schedule, due, revision)
  local known = call("HMGET", prefix .. "j:" .. schedule, "rv", "in")
  if known[1] == revision then
    post("k", "fire", "f", schedule, "i", known[2], "to", schedule, "n", due, "c", revision, "a", now, "d", "")
  end
end

-- A name is paused no longer: what was put aside goes back to its queues.
local function release(kind, _, name)
  local aside = prefix .. "f:" .. kind .. ":" .. name
  while call("HEXISTS", prefix .. "f", kind .. ":" .. name) == 0 do
    if units <= 0 then
      later(now, "release", kind, 0, name)
      return
    end
    local id = call("LPOP", aside)
    if not id then
      return
    end
    units = units - 1
    local done, reason = apart(function()
      local control = load(id)
      if control and control.wk == "paused" and not control.ps then
        control.wk = "queued"
        save(control)
        enqueue(control, false)
      end
    end)
    if not done then
      park(id, reason)
    end
  end
end

-- A limit has room again, by the clock, or for more than one script lets go on.
local function admit(_, _, name)
  look_at_limit(name, now)
end

-- What is set for a queue or task was changed: all that waits at a limit of it is to be looked at.
local function look_at_limits(cursor, _, scope)
  local page = call("SSCAN", prefix .. "p:w", cursor, "COUNT", 64)
  for _, name in ipairs(page[2]) do
    if string.match(name, "^%a|[^|]*|(.*)$") == scope then
      units = units - 1
      look_at_limit(name, now)
    end
  end
  if page[1] ~= "0" then
    later(now, "limit", page[1], 0, scope)
  end
end

-- A partition's share of a limit: who waits asks once more, and what nobody needs goes back.
local function look_at_share(_, _, name)
  local share = share_of(name)
  return_share(name, now)
  if call("LLEN", prefix .. "p:w:" .. name) > 0 then
    sharing.tell_home(name, now)
  elseif share.is_known then
    share.asked = 0
    sharing.write(name, share)
    if sharing.used(name, now) == 0 then
      sharing.lower(name, share, 0, now)
    end
    -- Also what is in use: a failover may let the home forget it.
    sharing.tell_home(name, now)
  end
end

local FIRE = {
  release = release, share = look_at_share, admit = admit, limit = look_at_limits,
  cron = fire_schedule, timer = fire_timer, ready = make_ready, deadline = end_late, unclaimed = end_unclaimed,
  grace = end_after_grace, beat = miss_beat, close = close_children, ["end"] = end_children,
}

local members = call("ZRANGEBYSCORE", due_set, "-inf", now, "LIMIT", 0, units)
for _, member in ipairs(members) do
  if units <= 0 then
    break
  end
  local kind, id, n, incarnation = string.match(member, "^(%a+)|([^|]*)|([^|]*)|(.*)$")
  if not (kind == "lease" or FIRE[kind]) then
    -- Not written by these scripts: it would stand before all that is due for ever.
    call("ZREM", due_set, member)
    in_trouble(string.sub(member, 1, 200), "an entry of what becomes due that nobody can read: it was removed")
  elseif kind == "lease" then
    if recover(id) then
      call("ZREM", due_set, member)
      lost_workers[#lost_workers + 1] = id
    end
  else
    units = units - 1
    call("ZREM", due_set, member)
    do_apart(FIRE[kind], id, n, incarnation)
    fired = fired + 1
  end
end

-- Old trees go, a few at each turn. Those that ended late, or that something still lives below, are
-- passed over: where to look next is kept, and begins anew behind what can be old enough.
local OLD_AT_ONCE = 32
local function delete_old(status, ended_before)
  local from, after = string.match(call("HGET", keeper, "old:" .. status) or "", "^(%S+) (%S+)$")
  local is_through = true
  local oldest = index_read("s:" .. status, from or "-inf", digits(ended_before), after or "", OLD_AT_ONCE, true)
  for i = 1, #oldest, 2 do
    local id = oldest[i]
    local ended = tonumber(redis.pcall("HGET", prefix .. "x:" .. id, "co") or nil)
    local is_root = not string.find(id, "/", 1, true)
    if is_root and ended and ended < ended_before and count_below(id) == 0 then
      local share = math.min(units, OLD_AT_ONCE)
      units = units - share
      is_through = delete_tree(id, share)
    end
    if is_through then
      from, after = oldest[i + 1], id
    end
    if units <= 0 or not is_through then
      is_through = false
      break
    end
  end
  if is_through and #oldest < 2 * OLD_AT_ONCE then
    call("HDEL", keeper, "old:" .. status)
  elseif from then
    call("HSET", keeper, "old:" .. status, from .. " " .. after)
  end
end

if ARGV[15] ~= "" then
  fold_all()
  for _, status in ipairs({ "completed", "failed", "cancelled", "restarted" }) do
    delete_old(status, now - tonumber(ARGV[15]))
  end
end

if any_permits then
  release_permits()
end
if any_shares then
  take_over_telling()
end
local to_tell = call("EXISTS", prefix .. "p:a")
local next_due = call("ZRANGE", due_set, 0, 0, "WITHSCORES")[2]
return commit({ "KEEPER", now, tonumber(next_due or 0), lost_workers, fired, to_tell })
