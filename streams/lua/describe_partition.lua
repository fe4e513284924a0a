-- describe_partition: what waits, who works, what is due: for people who look after it.
--
-- KEYS[1]  due      sorted set; gives the partition's prefix
-- KEYS[2]  workers  hash: worker -> what it says of itself
-- KEYS[3]  queues   set of the queues that ever got work, but for "default"
-- ARGV[1]  now      unix ms, or "" for the server's clock
-- RETURNS  {now, {worker, about, lease end, held count, last claim, …}, {queue, ready count at least, since when the
--           oldest waits, count of what waits at a limit, …}, due count, when the earliest is due, {status, count, …}, count of those in
--           trouble, {id, what stops it, …}, count of long histories, {id, events, …} of the longest}; what stops
--           them is left out when they are too many to name; times are unix ms, 0 for none

--@include transition

-- A screen of them.
local TOLD = 20
local LONGEST = 5
-- At the head of a queue may be messages of executions that have ended meanwhile.
local LOOKED_AT = 8
-- What waits in further lanes is not counted, nor asked since when: that would hold the server up.
local LANES_COUNTED = 500
local LANES_ASKED = 50

fold_all()
local now = clock(ARGV[1])
local workers = {}
local about = call("HGETALL", KEYS[2])
for i = 1, #about, 2 do
  local worker = about[i]
  workers[#workers + 1] = worker
  workers[#workers + 1] = about[i + 1]
  workers[#workers + 1] = tonumber(call("ZSCORE", KEYS[1], due_member("lease", worker, 0, 0)) or 0)
  workers[#workers + 1] = math.max(call("HLEN", prefix .. "a:" .. worker) - 1, 0)
  local last = call("HGET", prefix .. "a:" .. worker, "#") or ""
  workers[#workers + 1] = tonumber(string.match(last, " (%d+)$") or 0)
end
-- Since when what a queue hands out next waits.
local function oldest(list)
  for _, message in ipairs(call("LRANGE", list, 0, LOOKED_AT - 1)) do
    local is_sound, control = pcall(load, addressee_of(message) or "")
    if is_sound and control and control.wk == "queued" then
      return ready_since(control)
    end
  end
  return 0
end

-- What waits at a limit is out of its queue's line.
local limited, lanes = {}, 0
for _, name in ipairs(call("SSCAN", prefix .. "p:w", 0, "COUNT", LANES_COUNTED)[2]) do
  for _, entry in ipairs(call("LRANGE", prefix .. "p:w:" .. name, 0, math.max(LANES_COUNTED - lanes, 0))) do
    local lane, queue = string.match(entry, "^(%S+) (%S+)$")
    if lane then
      limited[queue] = (limited[queue] or 0) + call("LLEN", lane_list(lane, queue))
      lanes = lanes + 1
    end
  end
end

local queues = call("SMEMBERS", KEYS[3])
queues[#queues + 1] = "default"
local ready = {}
for _, queue in ipairs(queues) do
  local usual = lane_list(USUAL_LANE, queue)
  local waiting, since = call("LLEN", usual), oldest(usual)
  for i, lane in ipairs(call("ZRANGE", prefix .. "g:" .. queue, 0, LANES_COUNTED - 1)) do
    local list = lane_list(lane, queue)
    if list ~= usual then
      waiting = waiting + call("LLEN", list)
      local here = i <= LANES_ASKED and oldest(list) or 0
      since = here > 0 and (since == 0 or here < since) and here or since
    end
  end
  ready[#ready + 1] = queue
  ready[#ready + 1] = waiting
  ready[#ready + 1] = since
  ready[#ready + 1] = limited[queue] or 0
end
-- Tasks that run are in the index of the pending ones.
local running = 0
for i = 1, #about, 2 do
  for _, id in ipairs(call("HKEYS", prefix .. "a:" .. about[i])) do
    local is_sound, control = pcall(load, id)
    running = running + (id ~= "#" and is_sound and control and control.st == "running" and 1 or 0)
  end
end
local statuses = { "pending", index_size("s:pending") - running, "running", running }
for _, status in ipairs({ "suspended", "completed", "failed", "cancelled", "restarted" }) do
  statuses[#statuses + 1] = status
  statuses[#statuses + 1] = index_size("s:" .. status)
end
local stopped = call("HLEN", prefix .. "z")
local told = stopped <= TOLD and call("HGETALL", prefix .. "z") or {}
local longest = call("ZREVRANGE", prefix .. "v", 0, LONGEST - 1, "WITHSCORES")
local first_due = call("ZRANGE", KEYS[1], 0, 0, "WITHSCORES")[2]
return { now, workers, ready, call("ZCARD", KEYS[1]), tonumber(first_due or 0), statuses, stopped, told, call("ZCARD", prefix .. "v"), longest }
