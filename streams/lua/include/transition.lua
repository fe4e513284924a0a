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

-- Notes of index changes that wait to be folded in, at most: it takes a millisecond or two, and the more there
-- are, the more of them are about executions that have ended meanwhile.
local NOTES_KEPT = 1024

local function clock(given)
  if given ~= "" then
    return tonumber(given)
  end
  local time = call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A whole number as text: Lua and Redis format numbers as fractions, which takes five times as long. Most are those of
-- others in the same call: its time, and small ones.
local texts = {}
local function digits(number)
  local text = texts[number]
  if not text then
    text = string.format("%d", number)
    texts[number] = text
  end
  return text
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
  -- The server refuses a script's first write or none: nothing has been changed that `commit` would write.
  error(result, 0)
end

-- Words, each ended by a zero byte, and the position behind them: a format has an "s" for each. Redis has this in C, five
-- times as fast as a pattern; the embedded server has not.
local words_of = struct and struct.unpack or function(format, text)
  local words, position = {}, 1
  for i = 1, #format do
    local ends = string.find(text, "\0", position, true)
    if not ends then
      error("unfinished string in data", 0)
    end
    words[i] = string.sub(text, position, ends - 1)
    position = ends + 1
  end
  words[#words + 1] = position
  return unpack(words)
end

-- What is known of a live execution is its control record, the string k: what changes with nearly every transition, or is
-- needed by it, words in this order, "-" for none; of these st, sa and at are facts
-- that the projection has only when it has ended, and fu tells whether there is a hash k+ with further fields: "." if only such as
-- no transition looks at unasked, T<n> and pg (how far it says it is), else "+":
-- cq: payload of the request to cancel it; dm: the kinds of time limits set for it; of a task, hb: "ms between
-- heartbeats, attempts at most, ms before the next one", hd: what its heartbeat said, us: since when nobody knows
-- it, rl: whether its newest attempt was given back and never ran; ps: whether it is paused, since when stands in h; pz: whether something stands in z; ew: whether somebody waits for its end; T<n>: when timer n is due; lh: whether it
-- stands in v, among those of long histories; fl: the lane that it waits in, if that is not the usual one;
-- pm: the limits at which it counts, while it runs; db: while starts are merged into it, "unix ms when it is due, how many
-- have been, what they are known by"; pv: the version of the newest of these;
-- of what restarts, cy: see restart.lua; of a run that follows another one, rq: "unix ms since when r holds its requests, the run that holds those before or -".
local WORDS = {
  "v", "a", "st", "wk", "tk", "lt", "at", "ls", "up", "by", "ch", "ow", "sa", "fu", "ty", "in", "cr", "q",
}
local RECORD = string.rep("s", #WORDS)

local FURTHER = { "cq", "dm", "hb", "hd", "us", "pz", "ps", "ew", "rq", "lh", "fl", "pm", "db", "pv", "cy", "rl" }

-- A script reads and writes each record once: they are kept here until `commit`. False is an execution that
-- has ended or never was.
local controls, changed, is_changed = {}, {}, {}
-- Keys of what has ended: for all at once, by `commit`.
local gone = {}
-- Whether one of them counts at a limit.
local any_permits = false
-- Whether something happened at shares of limits.
local any_shares = false

local function parse(id, record)
  local is_whole, v, a, st, wk, tk, lt, at, ls, up, by, ch, ow, sa, fu, ty, incarnation, cr, q =
    pcall(words_of, RECORD, record)
  v = is_whole and tonumber(v)
  if not v or not tonumber(a) then
    damaged("its control record is incomplete")
  end
  -- In place: a function would be called ten times.
  return {
    id = id, v = v, a = a, st = st, wk = wk, tk = tk ~= "-" and tk or nil, lt = lt ~= "-" and lt or nil,
    at = at ~= "-" and at or nil, ls = ls ~= "-" and ls or nil, up = up ~= "-" and up or nil,
    by = by ~= "-" and by or nil, ch = ch ~= "-" and ch or nil, ow = ow ~= "-" and ow or nil,
    sa = sa ~= "-" and sa or nil, fu = fu ~= "-" and fu or nil, ty = ty, ["in"] = incarnation, cr = cr, q = q,
  }
end

local function record_of(k)
  return digits(k.v) .. "\0" .. k.a .. "\0" .. k.st .. "\0" .. k.wk .. "\0" .. (k.tk or "-") .. "\0"
    .. (k.lt or "-") .. "\0" .. (k.at or "-") .. "\0" .. (k.ls or "-") .. "\0" .. (k.up or "-") .. "\0" .. (k.by or "-") .. "\0"
    .. (k.ch or "-") .. "\0" .. (k.ow or "-") .. "\0" .. (k.sa or "-") .. "\0" .. (k.fu or "-") .. "\0" .. k.ty .. "\0" .. k["in"] .. "\0" .. k.cr .. "\0" .. k.q .. "\0"
end

-- Records that were read together with others, and not looked at yet.
local read = {}

-- The workflow that asked for it and the number by which that one knows it; nil for a root.
local parents, numbers = {}, {}
local function parent_and_number(id)
  if parents[id] == nil then
    local parent, n
    if string.find(id, "/", 1, true) then
      parent, n = string.match(id, "^(.*)/([^/]+)$")
    end
    parents[id], numbers[id] = parent or false, n
  end
  return parents[id] or nil, numbers[id]
end

local function parent_of(id)
  return (parent_and_number(id))
end

-- One command for many: what these will be loaded from.
local function read_ahead(ids)
  local keys, of = {}, {}
  for _, id in ipairs(ids) do
    if controls[id] == nil and read[id] == nil then
      of[#of + 1] = id
      keys[#of] = prefix .. "k:" .. id
      -- What is not there is looked for again by who needs it.
      read[id] = false
    end
  end
  for first = 1, #keys, 256 do
    for i, record in ipairs(call("MGET", unpack(keys, first, math.min(first + 255, #keys)))) do
      read[of[first + i - 1]] = record
    end
  end
end

-- What is known of a live execution, or nil when it has ended or never was.
local function load(id)
  local control = controls[id]
  if control ~= nil then
    return control or nil
  end
  local record = read[id] or call("GET", prefix .. "k:" .. id)
  if not record then
    controls[id] = false
    return nil
  end
  control = parse(id, record)
  if control.fu == "+" then
    local found = call("HMGET", prefix .. "k+:" .. id, unpack(FURTHER))
    for i, name in ipairs(FURTHER) do
      control[name] = found[i] or nil
    end
    any_permits = any_permits or control.pm
    if control.hb then
      control.hb, control.ma, control.ri = string.match(control.hb, "^(%d+) (%d+) (%d+)$")
    end
  end
  controls[id] = control
  return control
end

-- What restarts goes on in another run of the same execution: "id", then "id~2", "id~3" …; n holds the number of the
-- newest under the first one's id. Whoever speaks to any of them means the run that lives.
local function chain_of(id)
  return (string.gsub(id, "~%d+$", ""))
end

local function run_of(id)
  return tonumber(string.match(id, "~(%d+)$") or 1)
end

local function newest_run(id)
  local chain = chain_of(id)
  local run = call("GET", prefix .. "n:" .. chain)
  return run and chain .. "~" .. run or id
end

local function living(id)
  return load(id) and id or newest_run(id)
end

-- The version that a request to an execution produced, nil if it is new.
local function answered_before(id, request)
  local seen = call("HGET", prefix .. "r:" .. id, request)
  local control = not seen and load(id)
  local before = control and control.rq and string.match(control.rq, "(%S+)$")
  if before and before ~= "-" then
    seen = call("HGET", prefix .. "r:" .. before, request)
  end
  return seen or nil
end

-- Words of a record have been changed.
local function save(control)
  if not is_changed[control] then
    is_changed[control] = true
    changed[#changed + 1] = control
  end
end

-- The hash of its further fields, to which one is added that no transition looks at unasked.
local function further(control)
  if not control.fu then
    control.fu = "."
    save(control)
  end
  return prefix .. "k+:" .. control.id
end

-- Sets further fields of it that are loaded with it.
local function keep(control, ...)
  if control.fu ~= "+" then
    control.fu = "+"
    save(control)
  end
  for i = 1, select("#", ...), 2 do
    local name, value = select(i, ...)
    control[name] = value
  end
  call("HSET", prefix .. "k+:" .. control.id, ...)
end

-- Who waits hears of the end of an execution, by any of its runs' ids; false where that has come.
local function wait_for(id, waiter)
  local control = load(living(id))
  if not control then
    return false
  end
  local waiting = prefix .. "b:x:" .. control.id
  -- A server that is full refuses a script that begins by storing, and who waits stores next to nothing.
  call("SREM", waiting, waiter)
  call("SADD", waiting, waiter)
  keep(control, "ew", "1")
  return true
end

-- What stops an execution stands in the hash z under its id, in words, for people alone: its records are
-- damaged, a worker cannot go on with it, or worker after worker was lost with it.
local function in_trouble(id, reason)
  redis.pcall("HSET", prefix .. "z", id, string.sub(reason, 1, 500))
  local control = controls[id]
  if control then
    redis.pcall("HSET", prefix .. "k+:" .. id, "pz", 1)
    control.pz, control.fu = "1", "+"
    save(control)
  end
end

-- Nobody goes on with it until it is resumed.
local function park(id, reason)
  local done, control = pcall(load, id)
  if done and control then
    control.wk, control.tk = "stuck", nil
    save(control)
  end
  in_trouble(id, reason)
end

local function out_of_trouble(control)
  if control.pz then
    call("HDEL", prefix .. "z", control.id)
    call("HDEL", prefix .. "k+:" .. control.id, "pz")
    control.pz = nil
  end
end

local function append(control, now, token, kind, ...)
  local version, at = control.v + 1, control.a
  if now > tonumber(at) then
    at = digits(now)
  end
  local written = call("XADD", prefix .. "e:" .. control.id, "NOMKSTREAM", digits(version) .. "-0",
    "t", kind, "a", at, "k", token, ...)
  if not written then
    damaged("its events are gone")
  end
  control.v, control.a = version, at
  save(control)
end

local function field_of(entry, name)
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == name then
      return fields[i + 1]
    end
  end
  return nil
end

local function at_of(entry)
  local at = field_of(entry, "a")
  return at and tonumber(at)
end

local function payload_of(event)
  local fields = event[2]
  for i = 1, #fields, 2 do
    if fields[i] == "d" then
      return fields[i + 1]
    end
  end
  return ""
end

-- What is put into lists, and which bells ring, is written once for the whole script.
local pushed, pushed_to = {}, {}
local rung, to_ring = {}, {}

local function ring(bell)
  if not rung[bell] then
    rung[bell] = true
    to_ring[#to_ring + 1] = bell
  end
end

-- Work of a priority or key waits in a lane of its queue, a list of its own. A lane is named "priority|key|", as
-- streams/work.py does, and goes on with "t:" and the task, or "q", where it is of tasks that have limits. USUAL_LANE is the queue's list itself. Those that have work, but for the usual one, take turns
-- in the sorted set g of the queue: the more urgent before the less, then who came last to its turn longest ago. The
-- hash g counts the turns of each queue that ever had lanes.
local USUAL_LANE = "5||"
-- More than there will ever be, and nine times that is below 2^53.
local TURNS = 549755813888

local function lane_list(lane, queue)
  return prefix .. (lane == USUAL_LANE and "q:" or "u:" .. lane .. " ") .. queue
end

local function line_up(lane, queue)
  local rank = (9 - string.sub(lane, 1, 1)) * TURNS + call("HINCRBY", prefix .. "g", queue, 1)
  call("ZADD", prefix .. "g:" .. queue, digits(rank), lane)
end

-- Lists of lanes that are pushed to, each with its lane and queue; and which queues may have work in lanes.
local lanes_pushed, may_have_lanes = {}, {}

-- A lane that was empty has work from now on.
local function begin_turns(list)
  line_up(unpack(lanes_pushed[list]))
end

local function write_pushed()
  for _, list in ipairs(pushed_to) do
    local messages, length = pushed[list], 0
    for i = 1, #messages, 256 do
      length = call("RPUSH", list, unpack(messages, i, math.min(i + 255, #messages)))
    end
    if lanes_pushed[list] and length == #messages then
      begin_turns(list)
    end
  end
  pushed, pushed_to = {}, {}
end

local function push(list, message, at_head)
  if at_head then
    write_pushed()
    if call("LPUSH", list, message) == 1 and lanes_pushed[list] then
      begin_turns(list)
    end
    return
  end
  local messages = pushed[list]
  if not messages then
    messages = {}
    pushed[list] = messages
    pushed_to[#pushed_to + 1] = list
  end
  messages[#messages + 1] = message
end

-- A message: type, id, incarnation and content, words as those of a record; of what is new and has little to say then the
-- payload of its first event, whose "h" is the content; of any other these are empty.
local CARRIED_BYTES = 512
local MESSAGE = "ssss"

local function message_of(control)
  if control.born then
    return control.ty .. "\0" .. control.id .. "\0" .. control["in"] .. "\0" .. (control.h or "") .. "\0" .. control.born
  end
  return control.ty .. "\0" .. control.id .. "\0\0\0"
end

-- The id in a message, its incarnation and content, and where its payload begins; nil if it is none.
local function addressee_of(message)
  local is_whole, _, id, incarnation, content, at = pcall(words_of, MESSAGE, message)
  if is_whole then
    return id, incarnation, content, at
  end
end

-- Since when what is queued is ready: since its newest event, or since that made it due.
local function ready_since(control, newest)
  newest = newest or call("XREVRANGE", prefix .. "e:" .. control.id, "+", "-", "COUNT", 1)[1]
  local fields = newest and newest[2] or {}
  for i = 1, #fields, 2 do
    if fields[i] == "r" and string.match(fields[i + 1], "^%d+$") then
      return tonumber(fields[i + 1])
    end
  end
  return newest and at_of(newest) or tonumber(control.a)
end

local function enqueue(control, at_head)
  local queue, lane = control.q, control.fl
  local list = prefix .. "q:" .. queue
  if lane then
    list = lane_list(lane, queue)
    lanes_pushed[list], may_have_lanes[queue] = { lane, queue }, true
  end
  push(list, message_of(control), at_head)
  ring("q:" .. queue)
end

-- Whether there is work for who serves a queue, once all pushed is written.
local function has_work(queue)
  return call("LLEN", prefix .. "q:" .. queue) > 0
    or (may_have_lanes[queue] and call("ZCARD", prefix .. "g:" .. queue) > 0)
end

-- The schedule that a root was started by, which its id names; nil for any other.
local function schedule_of(id)
  return string.find(id, "!", 1, true) and string.match(chain_of(id), "^([^/!]+)!%d+$")
end

-- Of what is not to live beside another one of the same name: that name, which its id begins with. The hash 1 has
-- the first run's id of what lives.
local function singleton_of(id)
  return string.find(id, "!", 1, true) and string.match(id, "^([^/!]+)!%D")
end

-- Further starts are merged into it, while it waits under their name in the hash d: not any more.
local function take_no_more_starts(control)
  local name = string.match(control.db, "^%d+ %d+ (.*)$")
  if call("HGET", prefix .. "d", name) == control.id then
    call("HDEL", prefix .. "d", name)
  end
  call("HDEL", prefix .. "k+:" .. control.id, "db")
  control.db = nil
end

-- The first event of an execution, with the payload of the start that it begins with, if others were merged into it.
local function beginning_of(id, newest)
  local stream = prefix .. "e:" .. id
  local first = call("XRANGE", stream, "1-0", "1-0")[1]
  local later = first and newest and (call("XRANGE", stream, newest .. "-0", newest .. "-0")[1] or damaged("a start of it is missing"))
  for i = 1, later and #first[2] or 0, 2 do
    if first[2][i] == "d" then
      first[2][i + 1] = payload_of(later)
    end
  end
  return first
end

-- What changes in the indexes is noted in the list i, oldest first, and folded in when they are read, so that
-- whoever reads them sees in them all that was acknowledged; or when many notes have come together: most executions have ended by then, and their status changes once instead of
-- three times. A note: status before, "-" for a new one, status, when it was created, id, words as those of a record; of a new one also its
-- type, target and queue, and "alone" if it is in no index of its parent; of one that failed the error's name, if that has one.
local notes = {}
local NOTE, OF_NEW = "ssss", "sss"

-- The index in which what has a status stands.
local function index_of_status(status)
  return status == "running" and "pending" or status
end

--@include index when called

local function due_member(kind, id, n, incarnation)
  return kind .. "|" .. id .. "|" .. n .. "|" .. incarnation
end

--@include limits when called

-- Every script that changes something ends with this.
local function commit(answer)
  if any_permits then
    release_permits()
  end
  for i = 1, #gone, 256 do
    call("DEL", unpack(gone, i, math.min(i + 255, #gone)))
  end
  gone = {}
  local records = {}
  for _, control in ipairs(changed) do
    if controls[control.id] == control then
      records[#records + 1] = prefix .. "k:" .. control.id
      records[#records + 1] = record_of(control)
    end
  end
  for i = 1, #records, 256 do
    call("MSET", unpack(records, i, math.min(i + 255, #records)))
  end
  changed, is_changed = {}, {}
  write_pushed()
  if any_shares and take_over_telling() == 1 then
    ring("due")
  end
  for _, bell in ipairs(to_ring) do
    -- Work that was taken in the same script needs nobody.
    local list = prefix .. "b:" .. bell
    local queue = string.match(bell, "^q:(.*)$")
    if (not queue or has_work(queue)) and call("LLEN", list) < BELL_TOKENS then
      call("RPUSH", list, "")
    end
  end
  rung, to_ring = {}, {}
  local noted = 0
  for i = 1, #notes, 256 do
    noted = call("RPUSH", prefix .. "i", unpack(notes, i, math.min(i + 255, #notes)))
  end
  if noted > NOTES_KEPT then
    fold_all()
  end
  notes = {}
  return answer
end

-- Which worker calls, if one does: it looks by itself at what it puts at its own door.
local caller = false

-- An activation waits at the door of the worker that holds the machine, while that lives: another one
-- would have to bring a machine up to date first. A task does so that not every worker knows.
local at_work = {}
local function enqueue_at_door(control, at_head)
  local by = control.by
  if by and at_work[by] == nil then
    at_work[by] = call("HEXISTS", prefix .. "a:" .. by, "#") == 1
  end
  if by and at_work[by] then
    push(prefix .. "h:" .. by, message_of({ ty = control.ty, id = control.id }), at_head)
    if by ~= caller then
      ring("m:" .. by)
    end
  else
    enqueue(control, at_head)
  end
end

-- What waits at a worker's door goes to whoever serves its queue, `most` of it; how much was moved.
local function hand_over(worker, most)
  write_pushed()
  local door = prefix .. "h:" .. worker
  local moved = 0
  while moved < most do
    local message = call("RPOP", door)
    if not message then
      break
    end
    local id = addressee_of(message) or ""
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
    save(control)
    enqueue_at_door(control, false)
  end
end

-- Move an execution between the indexes by status. A task that runs stays among the pending ones: it goes on in a
-- moment, and what workers hold tells which these are.
local function move(control, status)
  local before, after = index_of_status(control.st), index_of_status(status)
  if before ~= after then
    notes[#notes + 1] = before .. "\0" .. after .. "\0" .. control.cr .. "\0" .. control.id .. "\0"
  end
  control.st = status
  save(control)
end

-- The projection, the hash x, has what stays as it is from the beginning, and what moves once it has ended; till then
-- the control record has that: status, when it began, its newest attempt.
local function settle_facts(control)
  local facts, began = prefix .. "x:" .. control.id, control.sa
  if began and control.at then
    call("HSET", facts, "st", control.st, "sa", began, "co", control.a, "at", control.at)
  elseif began then
    call("HSET", facts, "st", control.st, "sa", began, "co", control.a)
  else
    call("HSET", facts, "st", control.st, "co", control.a)
  end
end

-- All of it, "field, value, …", wherever it stands.
local function facts_of(id)
  local facts = call("HGETALL", prefix .. "x:" .. id)
  for i = 1, #facts, 2 do
    if facts[i] == "st" then
      return facts
    end
  end
  local control = #facts > 0 and load(id)
  for _, name in ipairs(control and { "st", "sa", "at" } or {}) do
    if control[name] then
      facts[#facts + 1] = name
      facts[#facts + 1] = control[name]
    end
  end
  return facts
end

-- A new stream pre-allocates 4 KB; a copy of it takes what its content needs. An access rule may deny that
-- command, which costs memory and nothing else.
local function begin_stream(stream, ...)
  local draft = prefix .. "n"
  call("XADD", draft, "1-0", ...)
  local copied = redis.pcall("COPY", draft, stream)
  call("DEL", draft)
  if copied ~= 1 then
    call("XADD", stream, "1-0", ...)
  end
end

-- How long what was asked to end may take for it; then it is ended.
local GRACE_MS = 60000

-- What was to be started while others ran, and waits for their end: the next of it goes to the timekeeper,
-- unless something runs, or the schedule is paused.
local function start_waiting(schedule, now)
  if call("ZCARD", prefix .. "l:" .. schedule) > 0 then
    return
  end
  local known = call("HMGET", prefix .. "j:" .. schedule, "in", "pa", "wt")
  -- One at a time: the next must not come before the one that is on its way.
  local due = known[1] and known[2] ~= "1" and not known[3] and call("LPOP", prefix .. "y:" .. schedule)
  if due then
    call("HSET", prefix .. "j:" .. schedule, "wt", due)
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

--@include attributes when called

-- Whether there are limits at all.
local any_limits

-- What holds for what is to begin at `from`: bounds, "" or five numbers, 0 for none: ms until it must have ended and until
-- it must have begun, then hb, ma, ri; and perhaps its lane.
local function arrange(control, target, bounds, from)
  if bounds ~= "" then
    local ends, begins, beat, attempts, interval, lane =
      string.match(bounds, "^(%d+) (%d+) (%d+) (%d+) (%d+) ?(%S*)$")
    if ends ~= "0" then
      limit(control, "d", from + ends)
    end
    if begins ~= "0" then
      limit(control, "q", from + begins)
    end
    if control.dm then
      keep(control, "dm", control.dm)
    end
    if beat ~= "0" then
      keep(control, "hb", beat .. " " .. attempts .. " " .. interval)
      control.hb, control.ma, control.ri = beat, attempts, interval
    end
    if lane ~= "" then
      keep(control, "fl", lane)
    end
  end
  if control.ty == "task" then
    if any_limits == nil then
      any_limits = call("EXISTS", prefix .. "p") == 1
    end
    if any_limits then
      choose_lane(control, target)
    end
  end
end

-- As `create` is given.
local function first_event_of(born, at)
  local fields = { "t", "created", "a", at, "k", born["in"], "d", born.payload }
  if born.due then
    fields[9], fields[10] = "r", digits(born.due)
  end
  if born.ab and born.ab ~= "" then
    fields[#fields + 1] = "b"
    fields[#fields + 1] = born.ab
  end
  if born.h and born.h ~= "" then
    fields[#fields + 1] = "h"
    fields[#fields + 1] = born.h
  end
  return fields
end

-- born: id, ty, tg, q, in, payload; p, n and policy of a child, and whether it stands among its parent's already; df of a workflow; h of a root; due or
-- nil; ab, its attributes, or nil; bounds, as above. A fork begins with events that were staged: how many, and when the last was.
local function create(born, now)
  local id, stream, at = born.id, prefix .. "e:" .. born.id, digits(now)
  if born.staged then
    call("RENAME", born.staged, stream)
    call("PERSIST", stream)
  else
    begin_stream(stream, unpack(first_event_of(born, at)))
  end
  local control = {
    id = id, v = born.version or 1, a = born.last_at and digits(born.last_at) or at, ["in"] = born["in"], ty = born.ty,
    q = born.q, st = "pending", wk = born.due and "due" or "queued", cr = at, up = "0",
  }
  controls[id] = control
  save(control)
  local facts = { "ty", born.ty, "tg", born.tg, "q", born.q, "cr", at }
  if born.p and not born.stands then
    call("HSET", prefix .. "c:" .. born.p, born.n, born.policy)
  end
  local schedule = schedule_of(id)
  if schedule then
    facts[#facts + 1] = "sc"
    facts[#facts + 1] = schedule
  end
  if born.df and born.df ~= "" then
    facts[#facts + 1] = "df"
    facts[#facts + 1] = born.df
  end
  arrange(control, born.tg, born.bounds or "", born.due or now)
  call("HSET", prefix .. "x:" .. id, unpack(facts))
  if born.ab and born.ab ~= "" then
    set_attributes(id, at, born.ab)
  end
  notes[#notes + 1] = "-\0pending\0" .. at .. "\0" .. id .. "\0" .. born.ty .. "\0" .. born.tg .. "\0" .. born.q .. "\0"
    .. (born.alone and "alone" or "")
  if born.q ~= "default" then
    -- So that work in a queue that nobody serves can be found; the default queue always is.
    call("SADD", prefix .. "q", born.q)
  end
  if born.due then
    later(born.due, "ready", id, 0, born["in"])
  else
    -- Of what was staged the first event is older than this call; that of a workflow tells its attributes too.
    local has_more = born.staged or (born.ty == "workflow" and born.ab and born.ab ~= "")
    if not has_more and #born.payload <= CARRIED_BYTES then
      control.born, control.h = born.payload, born.ty == "workflow" and born.h or nil
    end
    enqueue(control, false)
  end
end

-- Live children of an execution stand in its hash c by number, with their policy ("C": asked to end;
-- "-": it has ended and others live below it). What it started in another tree stands there as "@", its policy,
-- "|" and its id, until that has ended.
local function lives_below(id)
  return call("EXISTS", prefix .. "c:" .. id) == 1
end

-- How many children of its own tree have not ended, or have such below them.
local function count_below(id)
  local entries, number = call("HGETALL", prefix .. "c:" .. id), 0
  for i = 2, #entries, 2 do
    if string.sub(entries[i], 1, 1) ~= "@" then
      number = number + 1
    end
  end
  return number
end

-- It has ended, and nothing lives below it: the ended ones above may have stood there for it alone.
local function leave_tree(id)
  while true do
    local parent, n = parent_and_number(id)
    if not parent then
      return
    end
    call("HDEL", prefix .. "c:" .. parent, n)
    -- What ends in this script has its record until all is written.
    local lives = controls[parent]
    if lives == nil then
      lives = call("EXISTS", prefix .. "k:" .. parent) == 1
    end
    if lives or lives_below(parent) then
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

-- Tells a live workflow what became of something it asked for. One whose records are damaged is not told, and
-- its children end all the same.
local function tell(id, now, cause, ...)
  local workflow = load(id)
  if workflow then
    append(workflow, now, cause, ...)
    wake(workflow)
  end
end

local function tell_parent(id, now, cause, ...)
  local done, reason = apart(tell, id, now, cause, ...)
  if not done then
    park(id, reason)
  end
end

-- The terminal event: the last of its stream, told to the parent and to the clients that wait. What failed is found by
-- the name of its error, control.er.
local function finish(control, now, token, kind, payload, ...)
  local id = control.id
  -- Before anything is written: it may be damaged.
  local further_fields = control.ty == "workflow" and control.fu and call("HKEYS", prefix .. "k+:" .. id) or {}
  append(control, now, token, kind, "d", payload, ...)
  if control.ty == "workflow" and control.st == "pending" and select("#", ...) > 0 then
    -- It ended by its own first turn.
    control.sa = control.a
  end
  move(control, kind)
  settle_facts(control)
  if control.er and control.er ~= "" then
    call("HSET", prefix .. "x:" .. id, "er", control.er)
    notes[#notes] = notes[#notes] .. control.er
  end
  if control.ty == "workflow" then
    for _, field in ipairs(further_fields) do
      if string.sub(field, 1, 1) == "T" then
        call("ZREM", KEYS[1], due_member("timer", id, string.sub(field, 2), control["in"]))
      end
    end
    call("PEXPIRE", prefix .. "r:" .. id, REQUESTS_KEPT_MS)
  end
  if control.wk == "due" then
    call("ZREM", KEYS[1], due_member("ready", id, 0, control["in"]))
  elseif control.wk == "claimed" and control.hb then
    call("ZREM", KEYS[1], beat_member(control))
  end
  if control.dm then
    for letter in string.gmatch(control.dm, ".") do
      lift_limit(control, letter)
    end
  end
  if control.db then
    take_no_more_starts(control)
  end
  if control.ps then
    call("ZREM", prefix .. "h", id)
  end
  out_of_trouble(control)
  if control.lh then
    call("ZREM", prefix .. "v", id)
  end
  local size = #gone
  gone[size + 1] = prefix .. "k:" .. id
  if control.fu or control.ty == "workflow" then
    gone[size + 2], gone[size + 3] = prefix .. "k+:" .. id, prefix .. "s:" .. id
  end
  controls[id] = false
  local waiting = control.ew and call("SMEMBERS", prefix .. "b:x:" .. id) or {}
  for _, client in ipairs(waiting) do
    local starter, n, asked = string.match(client, "^@([^|]*)|([^|]*)|(.*)$")
    if starter then
      post("k", "end", "f", id, "i", asked, "to", starter, "n", n, "c", token, "t", "child_" .. kind, "d", payload)
    else
      -- The client waits for the first word, and reads what follows: see take_ended.
      call("RPUSH", prefix .. "b:c:" .. client, "", id)
      call("PEXPIRE", prefix .. "b:c:" .. client, REPLIES_KEPT_MS)
    end
  end
  if #waiting > 0 then
    call("DEL", prefix .. "b:x:" .. id)
  end
  local parent, n = parent_and_number(id)
  if parent and kind ~= "restarted" then
    tell_parent(parent, now, id, "child_" .. kind, "n", chain_of(n), "d", payload)
  end
  if control.ty == "workflow" and lives_below(id) then
    later(now, control.closing or "close", id, 0, control["in"])
    if parent then
      call("HSET", prefix .. "c:" .. parent, n, "-")
    end
  elseif parent then
    leave_tree(id)
  end
  if not parent then
    local schedule = schedule_of(id)
    if schedule then
      call("ZREM", prefix .. "l:" .. schedule, id)
      start_waiting(schedule, now)
    end
    local single = kind ~= "restarted" and singleton_of(id)
    if single and call("HGET", prefix .. "1", single) == chain_of(id) then
      call("HDEL", prefix .. "1", single)
    end
  end
end

--@include cancelling when called
