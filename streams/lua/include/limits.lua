-- limits: how many tasks of a queue, task or key may run at once, and begin within a time. Included by transition.
--
-- What is set stands in the hash p: "queue:<name>" and "task:<name>" as people set it, "declared:<name>" as a task's
-- declaration does, which holds where nothing is set. A value is six numbers, 0 for no limit: how many may run, how
-- many may begin within how many ms; then the same for each key. With several partitions a seventh is its revision,
-- the newest holds, and nothing but 0 is what was removed.
--
-- A limit in force is named "c|<key>|<scope>" (how many run) or "r|<key>|<scope>" (how many begin), its key empty for
-- all together. In p:<limit> stand, of the first kind, those that run by when they began; of the second, when the
-- last ones began, the latest first. A lane that comes to a limit leaves the line, and waits in the list p:w:<limit>;
-- the set p:w names the limits at which some do. No lane waits at a limit that has room, unless as many as it has room
-- for have been let go on, or the timekeeper is to look at it.

-- Lanes that one script lets go on at one limit: the timekeeper does the rest.
local ADMITTED_AT_ONCE = 64
-- Lanes of a queue's line that are looked at for those that are about to begin at a limit.
local LANES_LOOKED_AT = 16

local SETTING = "^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ?(%d*)$"
local REMOVED = "0 0 0 0 0 0"

-- What stands in a field, "" for nothing, and its revision.
local function written_in(field)
  local text = call("HGET", prefix .. "p", field) or ""
  local numbers, revision = string.match(text, "^(%d+ %d+ %d+ %d+ %d+ %d+) (%d+)$")
  numbers = numbers or text
  return numbers ~= REMOVED and numbers or "", tonumber(revision or 0)
end

local settings = {}
local function setting_of(scope)
  if settings[scope] == nil then
    local task = string.match(scope, "^task:(.*)$")
    local text, revision = written_in(scope)
    if task and (text == "" or revision > 0) then
      local declared, since = written_in("declared:" .. task)
      text = text ~= "" and text or declared
      revision = math.max(revision, since)
    end
    local most, begin, within, key_most, key_begin, key_within = string.match(text, SETTING)
    settings[scope] = most and {
      c = tonumber(most), r = tonumber(begin), ms = tonumber(within), revision = revision,
      kc = tonumber(key_most), kr = tonumber(key_begin), kms = tonumber(key_within),
    } or false
  end
  return settings[scope]
end

-- How many a limit allows, of all together or of each key; 0 for no limit.
local function most_at(name)
  local kind, key, scope = string.match(name, "^(%a)|([^|]*)|(.*)$")
  local set = setting_of(scope)
  return set and set[(key == "" and "" or "k") .. kind] or 0, set, kind, key
end

-- The names of the limits on tasks of a queue, target ("" for any) and key; false without any.
local known_limits = {}
local function limits_of(queue, target, key)
  local all_three = queue .. " " .. target .. " " .. key
  if known_limits[all_three] == nil then
    local names = {}
    local scopes = { "queue:" .. queue, target ~= "" and "task:" .. target or nil }
    -- In the same order everywhere, those of a key first: what is kept while others are waited for concerns few.
    for _, of in ipairs(key ~= "" and { key, "" } or { "" }) do
      for _, scope in ipairs(scopes) do
        local set = setting_of(scope) or {}
        for _, kind in ipairs({ "c", "r" }) do
          if (set[(of == "" and "" or "k") .. kind] or 0) > 0 then
            names[#names + 1] = kind .. "|" .. of .. "|" .. scope
          end
        end
      end
    end
    known_limits[all_three] = #names > 0 and names
  end
  return known_limits[all_three]
end

local function parts_of(lane)
  local priority, key, rest = string.match(lane, "^(%d)|([^|]*)|(.*)$")
  return priority, key, string.match(rest, "^t:(.*)$")
end

-- The lane of tasks of a target that have limits, of the priority and key of another lane.
local function lane_of_limits(lane, target)
  local priority, key = parts_of(lane)
  return priority .. "|" .. key .. "|" .. (setting_of("task:" .. target) and "t:" .. target or "q")
end

-- A new task begins in the lane of its limits, if it has any.
local function choose_lane(control, target)
  local lane = control.fl or USUAL_LANE
  local _, key = parts_of(lane)
  if limits_of(control.q, target, key) then
    keep(control, "fl", lane_of_limits(lane, target))
  end
end

--@include shares

-- How many more may begin now, and when the next may if none: nil if that is up to those that run.
local function room_at(name, now)
  local most, set, kind, key = most_at(name)
  if most == 0 then
    return math.huge
  end
  if has_shares() then
    local share = share_of(name)
    most = math.min(most, share.most)
    -- Nothing begins by what was granted before the limit was changed.
    if most == 0 or share.revision < set.revision or is_due_back(share, now) then
      return 0
    end
  end
  if kind == "c" then
    return most - call("ZCARD", prefix .. "p:" .. name)
  end
  local begun = prefix .. "p:" .. name
  local oldest = tonumber(call("LINDEX", begun, most - 1) or nil)
  if not oldest then
    return most - call("LLEN", begun)
  end
  local opens = oldest + (key == "" and set.ms or set.kms)
  return opens <= now and 1 or 0, opens
end

-- The limits on a lane that is one of tasks with limits.
local function limits_of_lane(lane, queue)
  if string.sub(lane, -1) == "|" then
    return false
  end
  local _, key, target = parts_of(lane)
  return limits_of(queue, target or "", key)
end

-- Whether work here is about to begin at a limit: it waits there, or is among the first in line.
local function is_needed(name)
  if call("EXISTS", prefix .. "p:w:" .. name) == 1 then
    return true
  end
  local queue = string.match(name, "|queue:(.*)$")
  for _, of in ipairs(queue and { queue } or call("HKEYS", prefix .. "g")) do
    -- Not the count of its turns; and who is paused begins nothing.
    if not string.find(of, " ", 1, true) and call("HEXISTS", prefix .. "f", "queue:" .. of) == 0 then
      for _, lane in ipairs(call("ZRANGE", prefix .. "g:" .. of, 0, LANES_LOOKED_AT - 1)) do
        for _, limit in ipairs(limits_of_lane(lane, of) or {}) do
          if limit == name then
            return true
          end
        end
      end
    end
  end
  return false
end

-- Others wait for permits: what nobody needs here goes at once, and what is wanted back after its turn, as it comes free.
local function return_share(name, now)
  local share = share_of(name)
  if not share.down_to or share.most == 0 then
    return
  end
  local least = 0
  if is_kept(share, now) or is_needed(name) then
    least = math.max(share.down_to, 0)
    if share.most <= least then
      return
    end
    if is_in_turn(share, now) then
      sharing.look_by(name, share.since + SHARE_MS.turn)
      return
    end
  end
  sharing.lower(name, share, least, now)
  local _, set, kind, key = most_at(name)
  if kind == "r" and set and share.most > least then
    -- When the first of those that began counts no longer.
    local oldest = tonumber(call("LINDEX", prefix .. "p:" .. name, share.most - 1) or nil)
    if oldest then
      sharing.look_by(name, math.max(oldest + (key == "" and set.ms or set.kms), now + 1))
    end
  end
end

-- Shares that something happened at: with what else their script did it may be that nobody needs them any more.
local looked_at, is_looked_at = {}, {}

-- Something happened at a limit: lanes that wait there go on, as many as it has room for.
local function look_at_limit(name, now)
  if has_shares() then
    if not is_looked_at[name] then
      any_shares, is_looked_at[name] = true, true
      looked_at[#looked_at + 1] = { name, now }
    end
    return_share(name, now)
  end
  local waiting = prefix .. "p:w:" .. name
  local length = call("LLEN", waiting)
  if length == 0 then
    return
  end
  local room, opens = room_at(name, now)
  local admitted = 0
  while admitted < math.min(room, length, ADMITTED_AT_ONCE) do
    local lane, queue = string.match(call("LPOP", waiting), "^(%S+) (%S+)$")
    line_up(lane, queue)
    may_have_lanes[queue] = true
    ring("q:" .. queue)
    admitted = admitted + 1
  end
  if admitted == length then
    call("SREM", prefix .. "p:w", name)
  elseif opens or room > admitted then
    local member = due_member("admit", "", "", name)
    call("ZADD", KEYS[1], digits(opens and math.max(opens, now) or now), member)
    ring("due")
  end
  if admitted < length and room <= admitted then
    sharing.ask(name, now)
  end
end

-- Sets the limits of a queue or task, or forgets them when they are "". With several partitions they have a revision.
local function set_limits(field, numbers, now, revision)
  if revision then
    call("HSET", prefix .. "p", field, (numbers == "" and REMOVED or numbers) .. " " .. digits(revision))
  elseif written_in(field) == numbers then
    return
  elseif numbers == "" then
    call("HDEL", prefix .. "p", field)
  else
    call("HSET", prefix .. "p", field, numbers)
  end
  -- What waits at them may be much: the timekeeper looks at it.
  local scope = string.gsub(field, "^declared:", "task:")
  call("ZADD", KEYS[1], digits(now), due_member("limit", 0, 0, scope))
  ring("due")
end

-- Those that do not run any more make room for others.
local function release_permits()
  for _, control in ipairs(changed) do
    local has_ended = controls[control.id] ~= control
    if control.pm and (has_ended or control.wk ~= "claimed") then
      local names = control.pm
      control.pm = nil
      if not has_ended then
        call("HDEL", prefix .. "k+:" .. control.id, "pm")
      end
      for name in string.gmatch(names, "%S+") do
        call("ZREM", prefix .. "p:" .. name, control.id)
        look_at_limit(name, tonumber(control.a))
      end
    end
  end
end

-- When all is written, what nobody needs now goes back; 1 if something is to be said to homes, which is up to who called
-- the script if it asks for this, else 0.
local function take_over_telling()
  write_pushed()
  for _, share in ipairs(looked_at) do
    return_share(unpack(share))
  end
  looked_at, is_looked_at = {}, {}
  any_shares = false
  local is_to_tell = sharing.is_to_tell
  sharing.is_to_tell = false
  return is_to_tell and 1 or 0
end
