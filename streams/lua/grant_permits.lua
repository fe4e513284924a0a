-- grant_permits: at the home of limits: hear what partitions hold and need of them, and grant what there is.
--
-- KEYS[1]   due     sorted set; gives the partition's prefix
-- KEYS[2]   limits  hash: what is set -> numbers: see limits.lua
-- ARGV[1]   now     unix ms, or "" for the server's clock
-- ARGV[2..] limit   whose home this is; the tag of the partition that speaks, its share, the share's number, how much it
--                   wants, how much the limit allows as it knows, each
-- RETURNS  {limit, tag, granted, number, down to how much it is wanted back or "-": see shares.lua, revision, …}: to those that spoke, and to
--          others whose grant has changed
--
-- Of each limit stands in the hash p:g:<limit> by the partition's tag: "granted number wanted turn down_to recalled": as in
-- shares.lua, and: when it was granted something last, or came to want it, for who is next; when it was last told
-- what it is to give up. In p:g stands the highest number that was given.

--@include transition

local now = clock(ARGV[1])
local GRANT = "^(%d+) (%d+) (%d+) (%d+) (%S+) (%d+)$"
-- What is to be given up is said again after a second.
local SAID_AGAIN_MS = 1000

local reached, was_reached
local function next_number(above)
  reached = math.max(reached or tonumber(call("GET", prefix .. "p:g") or 0), above) + 1
  was_reached = true
  return reached
end

local function read(name)
  local found, grants, by_tag = call("HGETALL", prefix .. "p:g:" .. name), {}, {}
  for i = 1, #found, 2 do
    local granted, number, wanted, turn, down_to, recalled = string.match(found[i + 1], GRANT)
    if granted then
      local grant = {
        tag = found[i], granted = tonumber(granted), number = tonumber(number), wanted = tonumber(wanted),
        turn = tonumber(turn), down_to = tonumber(down_to), recalled = tonumber(recalled),
      }
      grants[#grants + 1], by_tag[grant.tag] = grant, grant
    end
  end
  return { name = name, grants = grants, by_tag = by_tag, allowed = math.huge, speakers = {} }
end

-- What a partition says of itself.
local function hear(limit, tag, share, number, wanted, allowed)
  local grant = limit.by_tag[tag]
  if not grant then
    grant = { tag = tag, granted = 0, number = number, wanted = 0, turn = 0, recalled = 0 }
    limit.grants[#limit.grants + 1], limit.by_tag[tag] = grant, grant
  end
  local was_satisfied = grant.wanted <= grant.granted
  local has_returned = share < grant.granted
  if number >= grant.number then
    -- Less than was granted: it gave that up. More: a failover let one of the two forget something, or this was said
    -- before it gave that up and comes late, in which case it will say so.
    grant.granted, grant.number = share, number
  end
  if wanted > grant.granted and (grant.turn == 0 or has_returned or was_satisfied) then
    -- It goes to the end of the line.
    grant.turn = next_number(0)
  end
  grant.wanted = wanted
  if allowed > 0 then
    limit.allowed = math.min(limit.allowed, allowed)
  end
  limit.speakers[#limit.speakers + 1] = grant
end

local function grant_more(grant, most)
  grant.granted = most
  grant.number = next_number(grant.number)
  grant.turn, grant.down_to, grant.has_news = grant.number, nil, true
end

local function call_back(grant, down_to)
  local is_said = grant.down_to == down_to and grant.recalled <= now and now < grant.recalled + SAID_AGAIN_MS
  if not is_said then
    grant.down_to, grant.recalled, grant.has_news = down_to, now, true
  end
end

-- To each what it wants, as far as that is no more than others get who want more. Of what is then left, less than one
-- each, those have most that have it already; or where others have none, those, in turn.
local function divide(grants, total)
  local by_want, left, level = {}, total, math.huge
  for i, grant in ipairs(grants) do
    by_want[i] = grant
  end
  table.sort(by_want, function(one, other)
    return one.wanted < other.wanted
  end)
  for i, grant in ipairs(by_want) do
    local each = math.floor(left / (#by_want - i + 1))
    if grant.wanted > each then
      level = each
      break
    end
    left = left - grant.wanted
  end
  local more = {}
  for _, grant in ipairs(grants) do
    grant.fair = math.min(grant.wanted, level)
    if grant.wanted > level then
      more[#more + 1] = grant
    end
  end
  if #more == 0 then
    return
  end
  table.sort(more, function(one, other)
    local has_one, has_other = one.granted > level, other.granted > level
    if has_one ~= has_other then
      return (level > 0) == has_one
    end
    -- Of those that have it, who has it the longest is the first to go without.
    if has_one then
      return one.turn > other.turn
    end
    return one.turn < other.turn
  end)
  for i = 1, left - level * #more do
    more[i].fair = level + 1
  end
end

local function share_out(limit)
  local most = most_at(limit.name)
  local total, granted = math.min(most > 0 and most or math.huge, limit.allowed), 0
  for _, grant in ipairs(limit.grants) do
    granted = granted + grant.granted
  end
  if total == math.huge then
    return
  end
  if granted > total then
    -- It was lowered: all that comes free goes back, until it is kept to.
    for _, grant in ipairs(limit.grants) do
      if grant.granted > 0 then
        call_back(grant, -1)
      end
    end
    return
  end
  divide(limit.grants, total)
  local free, wanted = total - granted, 0
  table.sort(limit.grants, function(one, other)
    return one.turn < other.turn
  end)
  for _, grant in ipairs(limit.grants) do
    local more = math.min(grant.fair - grant.granted, free)
    if more > 0 then
      free = free - more
      grant_more(grant, grant.granted + more)
    end
    wanted = wanted + grant.wanted
  end
  for _, grant in ipairs(limit.grants) do
    if wanted <= total then
      grant.down_to = nil
    elseif grant.granted > 0 then
      -- Also to who has no more than its due: it may have come to need less.
      call_back(grant, math.min(grant.fair, grant.granted))
    end
  end
  -- If there is plenty, more than is asked for: who asks will do so again.
  local each = math.floor(total / (has_shares() or 1))
  for _, grant in ipairs(limit.speakers) do
    local more = math.min(free, 2 * grant.wanted - grant.granted, each - grant.granted)
    if more > 0 and grant.has_news then
      free = free - more
      grant.granted = grant.granted + more
    end
  end
end

local function answer_of(limit, answer)
  local key, set = prefix .. "p:g:" .. limit.name, setting_of(string.match(limit.name, "^%a|[^|]*|(.*)$"))
  for _, grant in ipairs(limit.speakers) do
    grant.has_news = true
  end
  for _, grant in ipairs(limit.grants) do
    local down_to = grant.down_to and digits(grant.down_to) or "-"
    if grant.has_news then
      for _, said in ipairs({ limit.name, grant.tag, grant.granted, grant.number, down_to, set and set.revision or 0 }) do
        answer[#answer + 1] = said
      end
    end
    if grant.granted == 0 and grant.wanted == 0 then
      call("HDEL", key, grant.tag)
    else
      call("HSET", key, grant.tag, digits(grant.granted) .. " " .. digits(grant.number) .. " " .. digits(grant.wanted)
        .. " " .. digits(grant.turn) .. " " .. down_to .. " " .. digits(grant.recalled))
    end
  end
end

local limits, answer = {}, {}
for i = 2, #ARGV, 6 do
  local name = ARGV[i]
  local limit = limits[name]
  if not limit then
    limit = read(name)
    limits[name], limits[#limits + 1] = limit, limit
  end
  hear(limit, ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]))
end
for _, limit in ipairs(limits) do
  share_out(limit)
  answer_of(limit, answer)
end
if was_reached then
  call("SET", prefix .. "p:g", digits(reached))
end
return commit(answer)
