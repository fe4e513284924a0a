-- create_execution: the first events of root executions, each unless its id is taken.
--
-- KEYS[1]   due       sorted set; gives the partition's prefix
-- KEYS[2..] declared  the keys of the executions, for Redis Cluster; derived in here
-- ARGV[1]   now       unix ms, or "" for the server's clock
-- ARGV[2]   delivery  the message that the only one delivers, "" for none: see transition.lua; not done by CONFLICT and OVER
-- ARGV[3]   waiter    who hears of the end of the only one, "" for nobody
-- ARGV[4..] id, request, content, type, target, queue, definition, due, bounds, payload, attributes, debounce each
--             request     names this start; the same request again is the same start
--             content     digest of type, target and inputs; decides whether a second start is the same
--             type        "workflow" or "task"
--             definition  digest of the workflow's source, "" for a task
--             due         unix ms before which it is not handed out, or "" for at once
--             bounds      "" or five numbers, as in step.lua: how long it may take
--             payload     encoded `created` event
--             attributes  "" or lines, as in transition.lua
--             debounce    "" or "wait most": it waits so many ms for further starts of its type, target, queue and what stands
--                         before the "!" of its id, which are merged into it, all in all so many, 0 for any time
-- RETURNS  one answer each, in order: "CREATED" | "LIVES <id>" (an execution of this singleton does) | "MERGED <id>" (into what
--          waits) | "EXISTS" (the same start was made before) | "OVER <status>" (the same, and it has ended: the
--          waiter will not hear of it) | "CONFLICT" | "OVERTAKEN" |
--          {what is wrong with what is stored there}; only CREATED and the first MERGED of a request write

--@include transition

local now, delivery, waiter = clock(ARGV[1]), ARGV[2], ARGV[3]
if is_overtaken(delivery) then
  return { "OVERTAKEN" }
end

-- Each is an event that holds its inputs: enough for whoever types or clicks, and a history that is read in one page.
local MERGED_MOST = 200

-- The newest start says what it begins with: whatever an earlier one said is taken back.
local function merge(control, name, merged, at, due)
  local id, payload, attributes = control.id, ARGV[at + 9], ARGV[at + 10]
  local more = attributes ~= "" and { "b", attributes } or {}
  append(control, now, ARGV[at + 1], "postponed", "r", digits(due), "d", payload, unpack(more))
  for letter in string.gmatch(control.dm or "", ".") do
    lift_limit(control, letter)
  end
  call("HDEL", prefix .. "k+:" .. id, "dm", "hb", "fl")
  control.dm, control.hb, control.ma, control.ri, control.fl = nil, nil, nil, nil, nil
  arrange(control, ARGV[at + 4], ARGV[at + 8], due)
  local lines = {}
  each_attribute(id, function(key)
    lines[#lines + 1] = key .. "="
  end)
  lines[#lines + 1] = attributes
  if lines[1] ~= "" then
    set_attributes(id, control.cr, table.concat(lines, "\n"))
  end
  if ARGV[at + 6] ~= "" then
    call("HSET", prefix .. "x:" .. id, "df", ARGV[at + 6])
  end
  call("HSET", prefix .. "x:" .. id, "pv", control.v)
  keep(control, "pv", control.v, "db", digits(due) .. " " .. digits(merged) .. " " .. name)
  later(due, "ready", id, 0, control["in"])
end

local function start_or_merge(at, born)
  local id, request, wait, most = ARGV[at], ARGV[at + 1], string.match(ARGV[at + 11], "^(%d+) (%d+)$")
  -- Sent again, it finds what it was merged into, however often another one has begun since.
  local before = call("HGET", prefix .. "r:" .. id, request)
  if before then
    return "MERGED " .. before
  end
  local name = born.ty .. " " .. born.tg .. " " .. born.q .. " " .. singleton_of(id)
  local other = call("HGET", prefix .. "d", name)
  local control = other and load(other)
  if control and control.db and not control.cq then
    local until_ms, merged = string.match(control.db, "^(%d+) (%d+) ")
    if now < tonumber(until_ms) and tonumber(merged) < MERGED_MOST then
      local latest = most == "0" and math.huge or control.cr + most
      merge(control, name, merged + 1, at, math.max(now, math.min(now + wait, latest)))
      call("HSET", prefix .. "r:" .. id, request, other)
      call("PEXPIRE", prefix .. "r:" .. id, REQUESTS_KEPT_MS)
      return "MERGED " .. other
    end
  end
  born.due = now + wait
  create(born, now)
  keep(controls[id], "db", digits(born.due) .. " 0 " .. name)
  call("HSET", prefix .. "d", name, id)
  return "CREATED"
end

local function start(at)
  local id, content, due = ARGV[at], ARGV[at + 2], ARGV[at + 7]
  local stream = prefix .. "e:" .. id
  if call("EXISTS", stream, prefix .. "n:" .. id) > 0 then
    local first = call("XRANGE", prefix .. "e:" .. newest_run(id), "1-0", "1-0")[1]
    local fields = first and first[2] or {}
    for i = 1, #fields, 2 do
      if fields[i] == "h" and fields[i + 1] == content then
        if waiter ~= "" and not wait_for(id, waiter) then
          return "OVER " .. (call("HGET", prefix .. "x:" .. newest_run(id), "st") or "over")
        end
        delivered(delivery)
        return "EXISTS"
      end
    end
    return "CONFLICT"
  end
  local born = {
    id = id, ["in"] = ARGV[at + 1], h = content, ty = ARGV[at + 3], tg = ARGV[at + 4], q = ARGV[at + 5], df = ARGV[at + 6],
    due = due ~= "" and tonumber(due) > now and tonumber(due) or nil,
    bounds = ARGV[at + 8], payload = ARGV[at + 9],
    ab = ARGV[at + 10],
  }
  if ARGV[at + 11] ~= "" then
    return start_or_merge(at, born)
  end
  local single = singleton_of(id)
  local other = single and call("HGET", prefix .. "1", single)
  if other and load(newest_run(other)) then
    return "LIVES " .. other
  end
  delivered(delivery)
  if single then
    call("HSET", prefix .. "1", single, id)
  end
  create(born, now)
  if waiter ~= "" then
    wait_for(id, waiter)
  end
  return "CREATED"
end

local answers = {}
for at = 4, #ARGV, 12 do
  local done, answer = apart(start, at)
  answers[#answers + 1] = done and answer or { answer }
end
return commit(answers)
