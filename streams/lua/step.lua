-- step: settle what a worker has finished, then hand it what it has room for.
--
-- KEYS[1]   due      sorted set; gives the partition's prefix
-- KEYS[2]   held     hash of what the worker holds
-- KEYS[3..] declared the keys of executions named below, for Redis Cluster; derived in here
-- ARGV[1]   now      unix ms, or "" for the server's clock
-- ARGV[2]   worker   incarnation
-- ARGV[3]   seq      number of this call, from 1; the same number again re-reads that call's claims
-- ARGV[4]   answered number of the last call that the worker got an answer to, 0 for none
-- ARGV[5]   room     how many pieces of work the worker can take
-- ARGV[6]   rings    "1": the worker's own bell rings; else "0"
-- ARGV[7]   queues   how many names follow, most wanted first: queue…; also without room: what is
--                    then left in them is rung for others, and what waits at its door goes to them
-- then      count    how many settlements follow: the id of each, then each one of
--   "task", token, outcome, payload; then of what failed the name of the error, of what has not ended due, by, trouble
--       outcome   "completed" | "failed" | "cancelled" | "attempt_failed" (due: when to try again) |
--                 "released" (not run; due: when to hand it out again, "" for now) |
--                 "unknown" (as released; remembers since when nobody knows the task, and who is to get it)
--   "workflow", token, outline, decided; then, as many as the outline says, children, refusals, timers,
--   stopped, ended, outbox; then the parts that it names
--       outline   13 words, each ended by a zero byte: chunk, last, upto, counts of these six, outcome, due, holds, parts
--       chunk     1, 2, 3 … of one decision; last is "1" on its last chunk
--       upto      the last version the worker was given
--       outcome   "long" (it goes on, and its history is long) | "completed" | "failed" | "cancelled" | "restarted" (also
--                 of earlier chunks, which only carry signals along) | "released";  due  as for a task
--       holds     "1": the worker keeps the machine, and has it when there is news; else "0"
--       parts     letters in this order: "s" state, "b" attributes, "c" those of children, "r" reason, "n" identity and snapshot, "p" payload, "t" trouble,
--                 "e" the error's name
--       decided   encoded `decided` event, "" for none; the first one makes a pending workflow suspended
--       children  n, type, policy, target, queue, definition, bounds as such words; payload each
--         policy    "c" is cancelled when its parent ends, "a" and "t" (a task) are not; "a" is also
--                   left alone when its parent asks for its end
--         bounds    nothing or five numbers, 0 for none: ms until it must have ended, ms until it must have
--                   begun, ms between heartbeats, attempts at most, ms before the next attempt; and
--                   perhaps its lane: see transition.lua
--       refusals  n, payload each: children that cannot be; answered at once
--       timers    n, due each;  stopped  n each
--       ended     n each: children that are not needed any more
--       outbox    kind, n, to, policy, target, queue, definition, content, bounds, attributes, payload each
--         kind      "signal" to the execution `to` | "start" an execution of that id
--         policy    of what is started: as of a child, "" when nobody is told of its end
--       state     encoded state that outsiders read, where it changed
--       attributes those that changed, as in transition.lua; "name=" takes one away; those of children: a
--                 line with a child's number, then its own
--       reason    encoded request to cancel those that are not needed any more
--       snapshot  encoded machine as it stands at `upto`, whose event has this identity
--       trouble   of what is released: why nobody can go on with it
--       of what is restarted then target, definition, bounds, payload of its successor, how many of the signals that nobody
--       took went along before, the count of those that do now, at most 256, then the payload of each
-- RETURNS  {"LOST"} the worker's lease ran out, or a failover lost what it was answered
--        | {"OLD"} a later call was made; neither writes
--        | {"OK", now, {verdict…}, {claim…}, {claim's token and id…}, {id, what is wrong, …}, to_tell}; the
--          claims by token and id are those that the worker is not to go on with; the next are executions whose
--          records are damaged: they are parked, and handed to nobody; to_tell is 1 if the worker is to call
--          exchange_permits, else 0
--          verdict  "OK" | "DONE" (was settled before) | "MORE" (of a restart: settle it again, there is more to be
--                   carried along) | "STALE" (belongs to another claim) | "DAMAGED"
--          claim    {"task", id, attempt, payload, lost, unknown_since, details of the last heartbeat, since
--                   when it was ready, unix ms}
--                 | {"workflow", id, upto, version, by, lost, snapshot, first event, {event…}}; at most 256
--                   events, the next by reading: for who holds the machine from `upto` on, else behind the
--                   snapshot {upto, identity, bytes}, or all (then snapshot and first event are false); the
--                   first event says what beginning_of tells

--@include transition

-- One reply stays near 1 MiB, so that no reader waits long for another's answer.
local CLAIM_BYTES = 1048576
-- Events handed out with a claim; a longer history is read in pages.
local CLAIM_EVENTS = 256
-- Each may bring a MiB, and what is too much goes back.
local POPPED_AT_ONCE = 16
-- As in streams/work.py.
local HANDED_OVER_AT_ONCE = 64

local worker, seq, answered, room = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local held = KEYS[2]

-- The last call that claimed, and when: "<seq> <unix ms>", or "0" before the first.
local last_seq = tonumber(string.match(call("HGET", held, "#") or "", "^%d+"))
if not last_seq or last_seq < answered then
  -- What it believes to have settled may stand here as held by it: its lease must give that back.
  return { "LOST" }
end
if seq < last_seq then
  return { "OLD" }
end
local repeated = seq == last_seq

local now = clock(ARGV[1])
caller = worker
if ARGV[6] == "1" then
  ring("m:" .. worker)
end
local words, position = ARGV, 6
local function take()
  position = position + 1
  return words[position]
end

local queues = {}
for i = 1, tonumber(take()) do
  queues[i] = take()
end

-- What was settled is let go at once for all.
local let_go_of = {}

local function judge(id, token)
  local control = load(id)
  if control and control.tk == token then
    return "OK", control
  end
  local message = call("HGET", held, id)
  if message and string.match(message, "^%S+") == token then
    -- It was ended or taken out of this worker's hands.
    call("HDEL", held, id)
  end
  if control then
    return control.lt == token and "DONE" or "STALE"
  end
  local last = call("XREVRANGE", prefix .. "e:" .. id, "+", "-", "COUNT", 1)[1]
  if last then
    local fields = last[2]
    for i = 1, #fields, 2 do
      if fields[i] == "k" then
        return fields[i + 1] == token and "DONE" or "STALE"
      end
    end
  end
  return "STALE"
end

-- Back to where it came from: now at the head of its queue, or later.
local function give_back(control, token, due, trouble)
  if trouble ~= "" then
    in_trouble(control.id, trouble)
  end
  local wake_state = "queued"
  if due ~= "" then
    wake_state = "due"
    later(due, "ready", control.id, 0, control["in"])
  elseif control.ty == "task" then
    enqueue_at_door(control, true)
  else
    -- Not to this worker, which could not go on with it: another release may know how.
    enqueue(control, true)
  end
  control.wk, control.tk, control.lt = wake_state, nil, token
  save(control)
end

local function settle_task(id)
  local token, outcome, payload = ARGV[position + 1], ARGV[position + 2], ARGV[position + 3]
  position = position + 3
  local due, by, trouble = "", "", ""
  local is_end = outcome == "completed" or outcome == "failed" or outcome == "cancelled"
  local error_name = outcome == "failed" and take()
  if not is_end then
    due, by, trouble = take(), take(), take()
  end
  local verdict, control = judge(id, token)
  if verdict ~= "OK" then
    return verdict
  end
  let_go_of[#let_go_of + 1] = id
  if is_end then
    control.er = error_name
    finish(control, now, token, outcome, outcome == "cancelled" and control.cq or payload)
    return "OK"
  end
  if control.cq then
    -- It was to be cancelled: no further attempt.
    finish(control, now, token, "cancelled", control.cq)
    return "OK"
  end
  if control.hb then
    call("ZREM", KEYS[1], beat_member(control))
  end
  local kind = outcome == "attempt_failed" and outcome or "released"
  append(control, now, token, kind, "n", control.at, "r", due, "d", payload)
  if kind == "released" then
    -- The next claim counts this attempt again: it never ran.
    keep(control, "rl", "1")
  end
  if outcome == "unknown" then
    control.by = by ~= "" and by or nil
    keep(control, "us", control.us or now)
  elseif outcome == "attempt_failed" then
    -- It ran: its worker knew it and lived.
    if control.us then
      call("HDEL", prefix .. "k+:" .. id, "us")
      control.us = nil
    end
    control.ls = nil
  end
  move(control, "pending")
  give_back(control, token, due, trouble)
  return "OK"
end

--@include restart when called

local OUTLINE, CHILD = string.rep("s", 13), string.rep("s", 7)

local function attributes_by_child(lines)
  local by_child, n = {}, nil
  for line in string.gmatch(lines, "[^\n]+") do
    if string.find(line, "=", 1, true) then
      by_child[n] = (by_child[n] and by_child[n] .. "\n" or "") .. line
    else
      n = line
    end
  end
  return by_child
end

local NOTHING = {}

local function several(count, take_one)
  if count == "0" then
    return NOTHING
  end
  local found = {}
  for i = 1, tonumber(count) do
    found[i] = take_one()
  end
  return found
end

local function take_child()
  local n, ty, policy, tg, q, df, bounds = words_of(CHILD, take())
  return { n = n, ty = ty, policy = policy, tg = tg, q = q, df = df, bounds = bounds, payload = take() }
end

local function take_refusal()
  return { n = take(), payload = take() }
end

local function take_timer()
  return { n = take(), due = take() }
end

local function take_sent()
  return {
    k = take(), n = take(), to = take(), policy = take(), tg = take(), q = take(), df = take(), h = take(),
    b = take(), ab = take(), d = take(),
  }
end

-- By their letters; the snapshot comes behind its identity.
local function take_parts(letters)
  local parts = {}
  for letter in string.gmatch(letters, ".") do
    parts[letter] = take()
    if letter == "n" then
      parts.snapshot = take()
    end
  end
  return parts
end

local function settle_workflow(id)
  local token, outline, decided = take(), take(), take()
  local chunk, is_last, upto, count, refused, started, put_out, left, sent, outcome, due, holds, letters =
    words_of(OUTLINE, outline)
  local last = is_last == "1"
  chunk, upto = tonumber(chunk), tonumber(upto)
  local children, refusals, timers = several(count, take_child), several(refused, take_refusal), several(started, take_timer)
  local stopped, ended, outbox = several(put_out, take), several(left, take), several(sent, take_sent)
  local given = letters ~= "" and take_parts(letters) or NOTHING
  local payload = given.p or ""
  local successor
  if outcome == "restarted" then
    successor = { tg = take(), df = take(), bounds = take(), payload = take(), before = tonumber(take()), signals = {} }
    for i = 1, tonumber(take()) do
      successor.signals[i] = take()
    end
  end

  local verdict, control = judge(id, token)
  if verdict ~= "OK" then
    return verdict
  end
  if chunk <= tonumber(control.ch or 0) then
    return successor and last and restart(control, now, token, upto, payload, successor, true) or "DONE"
  end

  if last and not successor then
    let_go_of[#let_go_of + 1] = id
  end
  -- Own events of earlier chunks are no news; anything else above `upto` is.
  local own = tonumber(control.ow or 0)
  local news = control.v - own > upto
  if decided ~= "" then
    append(control, now, token, "decided", "u", digits(upto), "d", decided)
    own = own + 1
    if control.st == "pending" then
      local child = #children == 1 and children[1]
      control.sa = control.a
      move(control, "suspended")
      if child then
        child.alone = true
        call("HSET", prefix .. "x:" .. id, "ch", child.n)
      end
    end
  end
  if given.s then
    call("HSET", prefix .. "x:" .. id, "sv", given.s)
  end
  if given.b then
    set_attributes(id, control.cr, given.b)
  end
  local standing, found_by = {}, given.c and attributes_by_child(given.c)
  for _, child in ipairs(children) do
    child.ab = found_by and found_by[child.n]
    child.id = id .. "/" .. child.n
    child.p = id
    child["in"] = token
    child.stands = true
    create(child, control.a)
    standing[#standing + 1] = child.n
    standing[#standing + 1] = child.policy
  end
  if #standing > 0 then
    call("HSET", prefix .. "c:" .. id, unpack(standing))
  end
  for _, timer in ipairs(timers) do
    call("HSET", further(control), "T" .. timer.n, timer.due)
    later(timer.due, "timer", id, timer.n, control["in"])
  end
  for _, n in ipairs(stopped) do
    call("HDEL", prefix .. "k+:" .. id, "T" .. n)
    call("ZREM", KEYS[1], due_member("timer", id, n, control["in"]))
  end
  for _, sent in ipairs(outbox) do
    if sent.policy ~= "" then
      call("HSET", prefix .. "c:" .. id, sent.n, "@" .. sent.policy .. "|" .. sent.to)
    end
    post("k", sent.k, "f", id, "i", control["in"], "to", sent.to, "n", sent.n, "c", token, "w", sent.policy, "tg", sent.tg,
      "v", digits(control.v), "q", sent.q, "df", sent.df, "h", sent.h, "b", sent.b, "ab", sent.ab, "d", sent.d)
  end
  if #ended > 0 then
    -- A child that nobody runs ends at once, and its end is an event of this stream.
    local before = control.v
    for _, n in ipairs(ended) do
      local entry = call("HGET", prefix .. "c:" .. id, n)
      if not entry or entry == "-" then
        -- It may have restarted.
        n = string.match(newest_run(id .. "/" .. n), "[^/]+$")
        entry = call("HGET", prefix .. "c:" .. id, n)
      end
      if entry and entry ~= "-" then
        part_with(control, n, entry, now, token, given.r or "", false)
      end
    end
    news = news or control.v > before
  end
  for _, refusal in ipairs(refusals) do
    append(control, now, token, "child_failed", "n", refusal.n, "d", refusal.payload)
    news = true
  end
  if not last or successor then
    control.ch, control.ow = digits(chunk), digits(own)
    save(control)
    return successor and restart(control, now, token, upto, payload, successor, last) or "OK"
  end

  if outcome == "released" then
    give_back(control, token, due, given.t or "")
    return "OK"
  end
  out_of_trouble(control)
  if outcome == "long" then
    call("ZADD", prefix .. "v", control.v, id)
    if not control.lh then
      keep(control, "lh", 1)
    end
  elseif outcome ~= "" then
    control.er = given.e
    finish(control, now, token, outcome, payload, "u", digits(upto))
    return "OK"
  end
  if given.snapshot then
    redis.pcall("HSET", prefix .. "s:" .. id, "u", upto, "i", given.n, "d", given.snapshot)
  end
  control.up, control.by, control.tk, control.lt = digits(upto), holds == "1" and worker or nil, nil, token
  control.ch, control.ow, control.ls, control.wk = nil, nil, nil, news and "queued" or "idle"
  save(control)
  if news then
    enqueue_at_door(control, false)
  end
  return "OK"
end

local troubles = {}
local function stop(id, reason)
  redis.pcall("HDEL", held, id)
  park(id, reason)
  troubles[#troubles + 1] = id
  troubles[#troubles + 1] = reason
end

local verdicts = {}
local settlements = tonumber(take())
if settlements > 0 then
  -- A server that is full refuses a script that begins by storing, and what is done must be told.
  call("HDEL", held, "")
end
local settled, concerned = {}, {}
for i = 1, settlements do
  settled[i] = take()
  concerned[#concerned + 1] = settled[i]
  -- Who asked for it will be told.
  concerned[#concerned + 1] = parent_of(settled[i])
end
read_ahead(concerned)
for i, id in ipairs(settled) do
  local settle = take() == "task" and settle_task or settle_workflow
  local done, verdict = apart(settle, id)
  if not done then
    stop(id, verdict)
  end
  verdicts[i] = done and verdict or "DAMAGED"
end
for i = 1, #let_go_of, 256 do
  call("HDEL", held, unpack(let_go_of, i, math.min(i + 255, #let_go_of)))
end
-- Others may begin at once in their place.
if any_permits then
  release_permits()
end
write_pushed()

local told = {}
local box = prefix .. "m:" .. worker
if call("LLEN", box) > 0 then
  told = call("LRANGE", box, 0, -1)
  call("DEL", box)
end

local claims, bytes = {}, 0
local claim_token = worker .. "." .. seq

local function first_event(control)
  return beginning_of(control.id, control.pv) or damaged("its first event is missing")
end

local function hand_out_task(control, payload, since)
  bytes = bytes + #payload
  claims[#claims + 1] = {
    "task", control.id, tonumber(control.at), payload, tonumber(control.ls or 0), tonumber(control.us or 0),
    control.hd or "", since,
  }
end

-- What identifies an event: another one may stand under its version after a failover.
local function identity_of(event)
  local fields, at, cause = event[2], "", ""
  for i = 1, #fields, 2 do
    if fields[i] == "a" then
      at = fields[i + 1]
    elseif fields[i] == "k" then
      cause = fields[i + 1]
    end
  end
  return at .. " " .. cause
end

-- born, content: of its first event, where that is known and the only one.
local function hand_out_workflow(control, born, content)
  if born then
    bytes = bytes + #born
    local first = { "t", "created", "a", control.a, "k", control["in"], "d", born }
    if content ~= "" then
      first[9], first[10] = "h", content
    end
    claims[#claims + 1] = {
      "workflow", control.id, 0, 1, "", tonumber(control.ls or 0), false, false, { { "1-0", first } },
    }
    return
  end
  local stream = prefix .. "e:" .. control.id
  local from, snapshot, first = 1, false, false
  if control.by == worker then
    from = math.max(tonumber(control.up), 1)
  elseif control.up ~= "0" then
    -- Nothing depends on a snapshot, and so nothing on its being sound.
    local kept = redis.pcall("HMGET", prefix .. "s:" .. control.id, "u", "i", "d")
    -- It holds the decision made at `u`, which must be recorded here; or a failover lost that.
    local upto = kept[3] and string.match(kept[1] or "", "^%d+$")
    local is_made = upto and tonumber(upto) <= tonumber(control.up)
    local event = is_made and call("XRANGE", stream, upto .. "-0", upto .. "-0")[1]
    if event and identity_of(event) == kept[2] then
      snapshot, from = { tonumber(upto), kept[2], kept[3] }, upto + 1
      first = first_event(control)
      bytes = bytes + #kept[3]
    end
  end
  local events = call("XRANGE", stream, from .. "-0", "+", "COUNT", CLAIM_EVENTS)
  for _, event in ipairs(events) do
    local fields = event[2]
    -- Its type, time and cause come first, and are small.
    for i = 8, #fields, 2 do
      bytes = bytes + #fields[i]
    end
  end
  claims[#claims + 1] = {
    "workflow", control.id, tonumber(control.up), control.v, control.by or "", tonumber(control.ls or 0),
    snapshot, first, events,
  }
end

if repeated then
  -- The first answer was lost on its way: give it again, change nothing.
  local entries = call("HGETALL", held)
  for i = 1, #entries, 2 do
    apart(function()
      local control = entries[i] ~= "#" and load(entries[i])
      if control and control.tk == claim_token then
        if control.ty == "task" then
          local before = digits(control.v - 1) .. "-0"
          local since = ready_since(control, call("XRANGE", prefix .. "e:" .. control.id, before, before)[1])
          hand_out_task(control, payload_of(first_event(control)), since)
        else
          hand_out_workflow(control)
        end
      end
    end)
  end
  return commit({ "OK", now, verdicts, claims, told, troubles, 0 })
end

call("HSET", held, "#", seq .. " " .. now)
-- What is held from now on, each with its message.
local taken = {}

-- Queues, workflows and tasks of which nobody takes work: nearly always none.
local any_paused = room > 0 and call("HLEN", prefix .. "f") > 0

local function is_paused(kind, name)
  return any_paused and call("HEXISTS", prefix .. "f", kind .. ":" .. name) == 1
end

-- Whether it is not to be taken now. Then it lies where it is found when that ends: put aside by its name, in
-- its queue, or nowhere when it alone is paused.
local function put_aside(control)
  local target = any_paused and call("HGET", prefix .. "x:" .. control.id, "tg")
  if control.ps then
    control.wk = "paused"
    save(control)
  elseif target and is_paused(control.ty, target) then
    control.wk = "paused"
    save(control)
    push(prefix .. "f:" .. control.ty .. ":" .. target, control.id, false)
  elseif is_paused("queue", control.q) then
    enqueue(control, true)
  else
    return false
  end
  return true
end

-- A task that was enqueued before it had limits goes to a lane of those; what one call moves.
local LANES_CHANGED_AT_ONCE = 256
local changes_of_lane = 0

-- Nearly always neither lanes nor limits.
local has_flow_control = #queues > 0 and call("EXISTS", prefix .. "g", prefix .. "p") > 0
local has_limits = has_flow_control and call("EXISTS", prefix .. "p") == 1

--@include permits when called

local function claim(id, incarnation, content, payload, queue)
  local control = load(id)
  if not control or control.wk ~= "queued" or (queue and control.q ~= queue) then
    -- Ended or taken since it was enqueued, or deleted and begun anew elsewhere: nothing to hand out.
    return
  end
  if put_aside(control) or (has_limits and control.ty == "task" and not let_begin(control)) then
    return
  end
  if control.ty == "task" then
    local since = tonumber(control.a)
    if incarnation ~= control["in"] then
      local first = first_event(control)
      payload, since = payload_of(first), ready_since(control, control.v == 1 and first)
    end
    if control.rl then
      call("HDEL", prefix .. "k+:" .. id, "rl")
      control.rl = nil
    else
      control.at = digits((control.at or 0) + 1)
    end
    append(control, now, claim_token, "started", "n", control.at)
    control.sa = control.sa or control.a
    control.wk, control.tk = "claimed", claim_token
    move(control, "running")
    if control.dm and lift_limit(control, "q") then
      keep(control, "dm", control.dm)
    end
    if control.hb then
      call("ZADD", KEYS[1], now + control.hb, beat_member(control))
    end
    hand_out_task(control, payload, since)
  else
    control.wk, control.tk, control.ch, control.ow = "claimed", claim_token, nil, nil
    save(control)
    hand_out_workflow(control, control.v == 1 and incarnation == control["in"] and payload, content)
  end
  taken[#taken + 1] = id
  taken[#taken + 1] = claim_token .. " " .. control.ty .. " " .. control.q
end

local function claim_from(list, queue, most)
  local rounds = most and 1 or math.huge
  while room > 0 and bytes < CLAIM_BYTES and rounds > 0 and changes_of_lane < LANES_CHANGED_AT_ONCE do
    rounds = rounds - 1
    local messages = call("LPOP", list, math.min(room, most or POPPED_AT_ONCE))
    if not messages then
      break
    end
    local before, ids, incarnations, contents, payloads = #claims, {}, {}, {}, {}
    for i, message in ipairs(messages) do
      local id, incarnation, content, at = addressee_of(message)
      ids[i], incarnations[i], contents[i], payloads[i] = id or "", incarnation, content, id and string.sub(message, at)
    end
    read_ahead(ids)
    for i, id in ipairs(ids) do
      if bytes >= CLAIM_BYTES then
        for j = #messages, i, -1 do
          call("LPUSH", list, messages[j])
        end
        break
      end
      if id ~= "" then
        local done, reason = apart(claim, id, incarnations[i], contents[i], payloads[i], queue)
        if not done then
          stop(id, reason)
        end
      end
    end
    room = room - (#claims - before)
  end
end

--@include lanes when called

-- What goes on comes before what begins.
claim_from(prefix .. "h:" .. worker)
if room <= 0 and #queues > 0 then
  hand_over(worker, HANDED_OVER_AT_ONCE)
end
local has_lanes = has_flow_control and call("EXISTS", prefix .. "g") == 1
for _, queue in ipairs(queues) do
  if not is_paused("queue", queue) then
    if not (has_lanes and claim_in_turn(queue)) then
      claim_from(prefix .. "q:" .. queue, queue)
    end
    -- If there is more than this worker takes, let the next one know.
    ring("q:" .. queue)
  end
end

for i = 1, #taken, 256 do
  call("HSET", held, unpack(taken, i, math.min(i + 255, #taken)))
end

return commit({ "OK", now, verdicts, claims, told, troubles, any_shares and take_over_telling() or 0 })
