-- permits: let tasks begin as far as limits allow, when they are claimed. Included by step.

-- Those that count and do not run any more are forgotten: records that were damaged.
local HOLDERS_LOOKED_AT = 8
local function forget_lost_holders(name)
  for _, id in ipairs(call("ZRANGE", prefix .. "p:" .. name, 0, HOLDERS_LOOKED_AT - 1)) do
    local is_sound, control = pcall(load, id)
    if not (is_sound and control and control.pm and control.wk == "claimed") then
      call("ZREM", prefix .. "p:" .. name, id)
    end
  end
end

-- The first of these limits that has no room, and when it will have, if that is known.
local function full_one(names)
  for _, name in ipairs(names) do
    local left, opens = room_at(name, now)
    if left <= 0 and not opens and string.sub(name, 1, 1) == "c" then
      forget_lost_holders(name)
      left = room_at(name, now)
    end
    if left <= 0 then
      return name, opens
    end
  end
end

-- A lane leaves the line until a limit has room.
local function wait_at(name, opens, lane, queue)
  call("ZREM", prefix .. "g:" .. queue, lane)
  call("RPUSH", prefix .. "p:w:" .. name, lane .. " " .. queue)
  call("SADD", prefix .. "p:w", name)
  if opens then
    call("ZADD", KEYS[1], digits(opens), due_member("admit", "", "", name))
    ring("due")
  end
  sharing.ask(name, now)
end

-- Of its limits those before the full one had room, and are kept for when that has some; those behind are not.
local function keep_shares(names, full, now)
  local since = now + SHARE_MS.kept
  for _, name in ipairs(has_shares() and names or {}) do
    if name == full then
      since = 0
    else
      local share = share_of(name)
      share.since = since
      sharing.write(name, share)
      return_share(name, now)
    end
  end
end

local function count_at(names, id)
  local permits = {}
  for _, name in ipairs(names) do
    local kind, key, scope = string.match(name, "^(%a)|([^|]*)|(.*)$")
    local counted, set = prefix .. "p:" .. name, setting_of(scope)
    if has_shares() then
      sharing.use(name, now)
    end
    if kind == "c" then
      call("ZADD", counted, now, id)
      permits[#permits + 1] = name
    else
      call("LPUSH", counted, now)
      call("LTRIM", counted, 0, (key == "" and set.r or set.kr) - 1)
      call("PEXPIRE", counted, key == "" and set.ms or set.kms)
    end
  end
  return table.concat(permits, " ")
end

-- Whether a task may begin, which then counts; else it is in the lane of its limits.
local function let_begin(control)
  local lane = control.fl or USUAL_LANE
  local _, key, target = parts_of(lane)
  target = target or call("HGET", prefix .. "x:" .. control.id, "tg") or damaged("its projection is gone")
  local names = limits_of(control.q, target, key)
  if not names then
    return true
  end
  local own = lane_of_limits(lane, target)
  local list = lane_list(own, control.q)
  local others_wait = lane ~= own and (pushed[list] or call("EXISTS", list) == 1)
  if others_wait or full_one(names) then
    changes_of_lane = changes_of_lane + 1
    if lane ~= own then
      keep(control, "fl", own)
    end
    enqueue(control, lane == own)
    return false
  end
  -- If it comes back, it comes before those of its lane.
  keep(control, "fl", own, "pm", count_at(names, control.id))
  any_permits = true
  return true
end
