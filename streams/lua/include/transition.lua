-- transition: what the scripts that change an execution share. Included, never run alone.
--
-- KEYS[1] is always the partition's due set, "<namespace>:{p}:t"; every other key is its prefix and
-- a name from streams/keys.py. Numbers stay below 2^53 and times are ms: a number joined to a string
-- keeps only 14 digits.

local call = redis.call
local prefix = string.sub(KEYS[1], 1, -2)

-- 8 tokens: enough to wake several workers at once, few enough to cost nothing when nobody listens.
local BELL_TOKENS = 8
-- An hour: a client that repeats a request after a lost reply does so much sooner.
local REQUESTS_KEPT_MS = 3600000
-- An hour: who gathers the events of a fork does so in seconds.
local STAGED_KEPT_MS = 3600000
-- A minute: replies nobody fetched belong to a client that has gone.
local REPLIES_KEPT_MS = 60000

-- What stops an execution stands in the hash z under its id, in words, for people alone: its records are
-- damaged, a worker cannot go on with it, or worker after worker was lost with it.
-- ps: whether it is paused; pz: whether something stands there; cq: payload of the request to cancel it; dm: the kinds of time limits set for it; hb, ma, ri: of a
-- task, ms between heartbeats, attempts at most, ms before the next one; hd: what its heartbeat said.
local CONTROL = {
  "v", "a", "in", "ty", "tg", "q", "st", "wk", "tk", "lt", "at", "p", "n", "cr", "up", "by", "ch", "ow", "ls", "us",
  "cq", "dm", "hb", "ma", "ri", "hd", "pz", "ps",
}

local function clock(given)
  if given ~= "" then
    return tonumber(given)
  end
  local time = call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- How errors begin that come of what is stored: those of these scripts and Lua's own, and the server's about
-- keys, ids and numbers. Any other (no memory, no longer a master) is the whole script's.
local function damaged(reason)
  error("damaged: " .. reason, 0)
end

local DAMAGES = {
  "damaged: ", "attempt to ", "bad argument", "WRONGTYPE", "Invalid stream ID", "ID specified in XADD",
  "not an integer", "not a valid float", "hash value is not",
}

-- Does work for one execution among several: damaged records stop that one alone. Returns true and what
-- `work` gave, or false and what is wrong.
local function apart(work, ...)
  local done, result = pcall(work, ...)
  if done then
    return true, result
  end
  local reason = tostring(type(result) == "table" and result.err or result)
  for _, sign in ipairs(DAMAGES) do
    local at = string.find(reason, sign, 1, true)
    if at then
      return false, sign == "damaged: " and string.sub(reason, at + #sign) or "its records are damaged: " .. reason
    end
  end
  error(result, 0)
end

local function in_trouble(id, reason)
  redis.pcall("HSET", prefix .. "z", id, string.sub(reason, 1, 500))
  if redis.pcall("EXISTS", prefix .. "k:" .. id) == 1 then
    redis.pcall("HSET", prefix .. "k:" .. id, "pz", 1)
  end
end

-- Nobody goes on with it until it is resumed.
local function park(id, reason)
  if redis.pcall("EXISTS", prefix .. "k:" .. id) == 1 then
    redis.pcall("HSET", prefix .. "k:" .. id, "wk", "stuck", "tk", "")
  end
  in_trouble(id, reason)
end

local function out_of_trouble(control)
  if control.pz then
    call("HDEL", prefix .. "z", control.id)
    call("HDEL", prefix .. "k:" .. control.id, "pz")
  end
end

-- So many fields are had sooner all at once than one by one; with timers there may be thousands.
local FEW_FIELDS = 40

-- What is known of a live execution, or nil when it has ended or never was.
local function load(id)
  local key = prefix .. "k:" .. id
  local control = { id = id }
  if call("HLEN", key) <= FEW_FIELDS then
    local pairs_ = call("HGETALL", key)
    if #pairs_ == 0 then
      return nil
    end
    for i = 1, #pairs_, 2 do
      control[pairs_[i]] = pairs_[i + 1]
    end
  else
    local values = call("HMGET", key, unpack(CONTROL))
    for i, field in ipairs(CONTROL) do
      control[field] = values[i]
    end
  end
  control.v = tonumber(control.v)
  control.a = tonumber(control.a)
  if not (control.v and control.a and control["in"] and control.q and control.cr) then
    damaged("its control record is incomplete")
  end
  return control
end

local function save(control, ...)
  call("HSET", prefix .. "k:" .. control.id, "v", control.v, "a", control.a, ...)
end

local function append(control, now, token, kind, ...)
  control.v = control.v + 1
  if now > control.a then
    control.a = now
  end
  local written = call("XADD", prefix .. "e:" .. control.id, "NOMKSTREAM", control.v .. "-0",
    "t", kind, "a", control.a, "k", token, ...)
  if not written then
    damaged("its events are gone")
  end
end

local function at_of(entry)
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == "a" then
      return tonumber(fields[i + 1])
    end
  end
end

local function ring(bell)
  local list = prefix .. "b:" .. bell
  if call("LLEN", list) < BELL_TOKENS then
    call("RPUSH", list, "")
  end
end

local function enqueue(control, at_head)
  call(at_head and "LPUSH" or "RPUSH", prefix .. "q:" .. control.q, control.ty .. " " .. control.id)
  ring("q:" .. control.q)
end

-- Which worker calls, if one does: it looks by itself at what it puts at its own door.
local caller = false

-- An activation waits at the door of the worker that holds the machine, while that lives: another one
-- would have to bring a machine up to date first. A task does so that not every worker knows.
local function enqueue_at_door(control, at_head)
  local by = control.by
  if by and call("HEXISTS", prefix .. "a:" .. by, "#") == 1 then
    call(at_head and "LPUSH" or "RPUSH", prefix .. "h:" .. by, control.ty .. " " .. control.id)
    if by ~= caller then
      ring("m:" .. by)
    end
  else
    enqueue(control, at_head)
  end
end

-- What waits at a worker's door goes to whoever serves its queue, `most` of it; how much was moved.
local function hand_over(worker, most)
  local door = prefix .. "h:" .. worker
  local moved = 0
  while moved < most do
    local message = call("RPOP", door)
    if not message then
      break
    end
    local id = string.match(message, "^%a+ (.+)$") or ""
    local done, reason = apart(function()
      local control = load(id)
      if control and control.wk == "queued" then
        enqueue(control, true)
      end
    end)
    if not done then
      park(id, reason)
    end
    moved = moved + 1
  end
  return moved
end

-- A message to another tree, perhaps in another partition: the timekeeper delivers it. It begins with
-- its fields k, f, i, to, n and c, what caused it, which tell it from others.
local function post(...)
  local number = call("INCR", prefix .. "o:n")
  call("XADD", prefix .. "o", number .. "-0", ...)
  ring("due")
end

-- A call that delivers a message names it: "0" or "1" if the message is done with it, its entry, its
-- first fields; or "" if it delivers none that lies in this partition. It is done only while the
-- message is the oldest: a failover may have lost it, or what was done for those before.
local function is_overtaken(delivery)
  if delivery == "" then
    return false
  end
  local first = call("XRANGE", prefix .. "o", "-", "+", "COUNT", 1)[1]
  if not first then
    return true
  end
  local words = { first[1] }
  for i = 2, 12, 2 do
    words[#words + 1] = first[2][i]
  end
  return table.concat(words, " ") ~= string.sub(delivery, 3)
end

-- In the call that does the last of it: who removed it afterwards might remove what a failover undid.
local function delivered(delivery)
  local entry = string.match(delivery, "^1 (%S+)")
  if entry then
    call("XDEL", prefix .. "o", entry)
  end
end

local function due_member(kind, id, n, incarnation)
  return kind .. "|" .. id .. "|" .. n .. "|" .. incarnation
end

local function later(due_ms, kind, id, n, incarnation)
  local member = due_member(kind, id, n, incarnation)
  call("ZADD", KEYS[1], due_ms, member)
  if call("ZRANGE", KEYS[1], 0, 0)[1] == member then
    ring("due")
  end
end

-- Something happened to a workflow: it gets an activation, unless it has one.
local function wake(control)
  if control.wk == "idle" then
    control.wk = "queued"
    call("HSET", prefix .. "k:" .. control.id, "wk", "queued")
    enqueue_at_door(control, false)
  end
end

-- Move an execution between the indexes by status, and in its projection.
local function move(control, status, ...)
  if control.st ~= status then
    call("ZREM", prefix .. "i:s:" .. control.st, control.id)
    call("ZADD", prefix .. "i:s:" .. status, control.cr, control.id)
    control.st = status
  end
  call("HSET", prefix .. "x:" .. control.id, "st", status, ...)
end

-- A new stream pre-allocates 4 KB; one round through DUMP leaves what its content needs. An access
-- rule may deny these commands, which costs memory and nothing else.
local function shrink(key)
  local bytes = redis.pcall("DUMP", key)
  if type(bytes) == "string" then
    redis.pcall("RESTORE", key, 0, bytes, "REPLACE")
  end
end

-- How long what was asked to end may take for it; then it is ended.
local GRACE_MS = 60000

local function root_of(id)
  return string.match(id, "^[^/]+")
end

-- The schedule that a root was started by, which its id names; nil for any other.
local function schedule_of(id)
  return string.match(id, "^([^/!]+)!%d+$")
end

-- What was to be started while others ran, and waits for their end: the next of it goes to the timekeeper,
-- unless something runs, or the schedule is paused.
local function start_waiting(schedule, now)
  if call("ZCARD", prefix .. "l:" .. schedule) > 0 then
    return
  end
  local known = call("HMGET", prefix .. "j:" .. schedule, "in", "pa")
  local due = known[1] and known[2] ~= "1" and call("LPOP", prefix .. "y:" .. schedule)
  if due then
    post("k", "fire", "f", schedule, "i", known[1], "to", schedule, "n", due, "c", "waiting", "a", now, "d", "")
  end
end

-- A time limit: becomes due unless the execution ends before. It is one of its letters in dm.
local LIMITS = { d = "deadline", q = "unclaimed", g = "grace" }
local function limit(control, letter, due_ms)
  control.dm = (control.dm or "") .. letter
  later(due_ms, LIMITS[letter], control.id, 0, control["in"])
end

local function lift_limit(control, letter)
  if control.dm and string.find(control.dm, letter, 1, true) then
    control.dm = string.gsub(control.dm, letter, "")
    call("ZREM", KEYS[1], due_member(LIMITS[letter], control.id, 0, control["in"]))
    return true
  end
  return false
end

-- born: id, ty, tg, q, in, payload; p, n and policy of a child; df of a workflow; h of a root; due or
-- nil; bounds, "" or five numbers, 0 for none: ms until it must have ended and until it must have
-- begun, then hb, ma, ri. A fork begins with events that were staged: how many, and when the last was.
local function create(born, now)
  local id, stream = born.id, prefix .. "e:" .. born.id
  if born.staged then
    call("RENAME", born.staged, stream)
    call("PERSIST", stream)
  else
    call("XADD", stream, "1-0", "t", "created", "a", now, "k", born["in"], "h", born.h or "", "d", born.payload)
    shrink(stream)
  end
  local wake_state = born.due and "due" or "queued"
  local control = {
    "v", born.version or 1, "a", born.last_at or now, "in", born["in"], "ty", born.ty, "tg", born.tg, "q", born.q,
    "st", "pending", "wk", wake_state, "cr", now, "up", 0,
  }
  local facts = { "ty", born.ty, "tg", born.tg, "q", born.q, "st", "pending", "cr", now }
  if born.p then
    control[#control + 1] = "p"
    control[#control + 1] = born.p
    control[#control + 1] = "n"
    control[#control + 1] = born.n
    facts[#facts + 1] = "p"
    facts[#facts + 1] = born.p
    call("ZADD", prefix .. "i:p:" .. born.p, now, id)
    call("HSET", prefix .. "c:" .. born.p, born.n, born.policy)
    call("HINCRBY", prefix .. "c:" .. root_of(id), "#", 1)
  end
  local schedule = schedule_of(id)
  if schedule then
    facts[#facts + 1] = "sc"
    facts[#facts + 1] = schedule
    call("ZADD", prefix .. "i:c:" .. schedule, now, id)
  end
  if born.df and born.df ~= "" then
    facts[#facts + 1] = "df"
    facts[#facts + 1] = born.df
  end
  if born.bounds and born.bounds ~= "" then
    local ends, begins, beat, attempts, interval = string.match(born.bounds, "^(%d+) (%d+) (%d+) (%d+) (%d+)$")
    local from = born.due or now
    if ends ~= "0" then
      limit(born, "d", from + ends)
    end
    if begins ~= "0" then
      limit(born, "q", from + begins)
    end
    for _, value in ipairs({ "dm", born.dm or "", "hb", beat, "ma", attempts, "ri", interval }) do
      control[#control + 1] = value
    end
  end
  call("HSET", prefix .. "k:" .. id, unpack(control))
  call("HSET", prefix .. "x:" .. id, unpack(facts))
  call("ZADD", prefix .. "i:all", now, id)
  call("ZADD", prefix .. "i:s:pending", now, id)
  call("ZADD", prefix .. "i:g:" .. born.tg, now, id)
  call("ZADD", prefix .. "i:q:" .. born.q, now, id)
  call("ZADD", prefix .. "i:y:" .. born.ty, now, id)
  if born.q ~= "default" then
    -- So that work in a queue that nobody serves can be found; the default queue always is.
    call("SADD", prefix .. "q", born.q)
  end
  if born.due then
    later(born.due, "ready", id, 0, born["in"])
  else
    enqueue(born, false)
  end
end

-- Live children of an execution stand in its hash c by number, with their policy ("C": asked to end;
-- "-": it has ended and others live below it); at the root stands how many live below, as "#". What it
-- started in another tree stands there as "@", its policy, "|" and its id, until that has ended.
local function lives_below(id)
  local key = prefix .. "c:" .. id
  return call("HLEN", key) > call("HEXISTS", key, "#")
end

-- It has ended, and nothing lives below it: the ended ones above may have stood there for it alone.
local function leave_tree(id)
  while true do
    local parent, n = string.match(id, "^(.*)/([^/]+)$")
    if not parent then
      return
    end
    call("HDEL", prefix .. "c:" .. parent, n)
    if call("EXISTS", prefix .. "k:" .. parent) == 1 or lives_below(parent) then
      return
    end
    id = parent
  end
end

local function beat_member(control)
  return due_member("beat", control.id, control.at, control.tk)
end

local function worker_of(control)
  return string.match(control.tk or "", "^(.*)%.%d+$")
end

-- Tells the worker that runs it not to go on. Renewing its lease tells it too, if this is lost.
local function tell_worker(control)
  local worker = worker_of(control)
  if worker then
    local box = prefix .. "m:" .. worker
    call("RPUSH", box, control.tk .. " " .. control.id)
    call("PEXPIRE", box, REPLIES_KEPT_MS)
    ring("m:" .. worker)
  end
end

-- Takes it out of its worker's hands: what that settles later is stale.
local function let_go(control)
  local worker = worker_of(control)
  if worker then
    call("HDEL", prefix .. "a:" .. worker, control.id)
    tell_worker(control)
  end
end

-- Tells a live workflow what became of something it asked for. One whose records are damaged is not told, and
-- its children end all the same.
local function tell_parent(id, now, cause, ...)
  local told = { ... }
  local done, reason = apart(function()
    local parent = load(id)
    if parent then
      append(parent, now, cause, unpack(told))
      save(parent)
      wake(parent)
    end
  end)
  if not done then
    park(id, reason)
  end
end

-- The terminal event: the last of its stream, told to the parent and to the clients that wait.
local function finish(control, now, token, kind, payload, ...)
  local id = control.id
  append(control, now, token, kind, "d", payload, ...)
  if control.ty == "workflow" and control.st == "pending" and select("#", ...) > 0 then
    -- It ended by its own first turn.
    call("HSET", prefix .. "x:" .. id, "sa", control.a)
  end
  move(control, kind, "co", control.a)
  if control.ty == "workflow" then
    local all = call("HGETALL", prefix .. "k:" .. id)
    for i = 1, #all, 2 do
      if string.sub(all[i], 1, 1) == "T" then
        call("ZREM", KEYS[1], due_member("timer", id, string.sub(all[i], 2), control["in"]))
      end
    end
    call("PEXPIRE", prefix .. "r:" .. id, REQUESTS_KEPT_MS)
  end
  if control.wk == "due" then
    call("ZREM", KEYS[1], due_member("ready", id, 0, control["in"]))
  elseif control.wk == "claimed" and control.hb and control.hb ~= "0" then
    call("ZREM", KEYS[1], beat_member(control))
  end
  for letter in string.gmatch(control.dm or "", ".") do
    lift_limit(control, letter)
  end
  out_of_trouble(control)
  call("DEL", prefix .. "k:" .. id, prefix .. "s:" .. id)
  local waiting = call("SMEMBERS", prefix .. "b:x:" .. id)
  for _, client in ipairs(waiting) do
    local starter, n, incarnation = string.match(client, "^@([^|]*)|([^|]*)|(.*)$")
    if starter then
      post("k", "end", "f", id, "i", incarnation, "to", starter, "n", n, "c", token, "t", "child_" .. kind, "d", payload)
    else
      call("RPUSH", prefix .. "b:c:" .. client, id)
      call("PEXPIRE", prefix .. "b:c:" .. client, REPLIES_KEPT_MS)
    end
  end
  if #waiting > 0 then
    call("DEL", prefix .. "b:x:" .. id)
  end
  if control.p then
    local tree = prefix .. "c:" .. root_of(id)
    if call("HINCRBY", tree, "#", -1) == 0 then
      call("HDEL", tree, "#")
    end
  end
  if control.ty == "workflow" and lives_below(id) then
    later(now, control.closing or "close", id, 0, control["in"])
    if control.p then
      call("HSET", prefix .. "c:" .. control.p, control.n, "-")
    end
  else
    leave_tree(id)
  end
  if control.p then
    tell_parent(control.p, now, id, "child_" .. kind, "n", control.n, "d", payload)
  else
    local schedule = schedule_of(id)
    if schedule then
      call("ZREM", prefix .. "l:" .. schedule, id)
      start_waiting(schedule, now)
    end
  end
end

-- Somebody wants it to end. A task that nobody runs ends at once; who runs is asked, and has a grace
-- time. The same `payload` says why in the request and in the terminal event.
local function cancel(control, now, cause, payload)
  if control.cq then
    return
  end
  if control.ty == "task" and control.wk ~= "claimed" then
    finish(control, now, cause, "cancelled", payload)
    return
  end
  control.cq = payload
  append(control, now, cause, "cancel_requested", "d", payload)
  limit(control, "g", now + GRACE_MS)
  save(control, "cq", payload, "dm", control.dm)
  if control.ty == "task" then
    tell_worker(control)
  else
    wake(control)
  end
end

-- A child of an ended or cancelled workflow, by its entry among the live ones, is to end: at once, or
-- by being asked. Those in other trees are told through the outbox.
local function part_with(control, n, entry, now, cause, reason, at_once)
  local policy, other = string.match(entry, "^@(%a)|(.*)$")
  if other then
    if at_once or policy ~= "a" then
      post("k", at_once and "terminate" or "cancel", "f", control.id, "i", control["in"], "to", other, "n", n,
        "c", cause, "d", reason)
    end
    return
  end
  local id = control.id .. "/" .. n
  local done, why = apart(function()
    local child = (at_once or entry ~= "a") and load(id)
    if child and at_once then
      let_go(child)
      child.closing = "end"
      finish(child, now, cause, "cancelled", reason)
    elseif child then
      cancel(child, now, cause, reason)
    end
  end)
  if not done then
    park(id, why)
  end
end
