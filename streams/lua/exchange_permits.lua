-- exchange_permits: let a partition have the shares of limits that were granted to it, and say what it holds and needs.
--
-- KEYS[1]   due     sorted set; gives the partition's prefix
-- KEYS[2]   shares  hash: what it may have of each limit: see shares.lua
-- ARGV[1]   now     unix ms, or "" for the server's clock
-- ARGV[2..] limit   whose home has granted; how much, the grant's number, down to how much it wants it back or "-", the
--                   settings' revision that it knows, each
-- RETURNS  {limit, share, number, wanted, most, …}: of those given what their homes do not know; without any, of those
--          of which something is to be said; most: how much the limit allows here, 0 for no limit

--@include transition

-- Limits that one call reports on, and lanes at each whose work is counted.
local TOLD_AT_ONCE = 64
local LANES_COUNTED = 32

local now = clock(ARGV[1])
local answer = {}

local function wanted_at(name, most)
  local wanted, waiting = sharing.used(name, now), 0
  for _, entry in ipairs(call("LRANGE", prefix .. "p:w:" .. name, 0, LANES_COUNTED - 1)) do
    local lane, queue = string.match(entry, "^(%S+) (%S+)$")
    -- It may have nothing any more that is to be done.
    waiting = waiting + math.max(call("LLEN", lane_list(lane, queue)), 1)
    if wanted + waiting >= most then
      break
    end
  end
  return math.min(wanted + waiting, most)
end

local function report(name)
  local share, most = share_of(name), most_at(name)
  local wanted = wanted_at(name, most)
  share.asked = wanted
  sharing.write(name, share)
  call("ZREM", prefix .. "p:a", name)
  for _, said in ipairs({ name, share.most, share.number, wanted, most }) do
    answer[#answer + 1] = said
  end
end

-- It is known here no more, but for the number that was reached: what comes late is not to be taken for new.
local function forget(name, share)
  local reached = tonumber(call("HGET", prefix .. "p:s", "!") or 0)
  call("HSET", prefix .. "p:s", "!", digits(math.max(reached, share.number)))
  call("HDEL", prefix .. "p:s", name)
  shares[name] = nil
end

local function take(name, granted, number, down_to, revision)
  local share = share_of(name)
  if number < share.number then
    -- It was overtaken; or a failover let the home forget what it had granted since.
    report(name)
    return
  end
  if number > share.number then
    share.most, share.number, share.since = granted, number, now
  elseif share.most > granted then
    -- Only a failover does this: what is in use was granted, and the home is to know.
    share.most = math.max(granted, math.min(share.most, sharing.used(name, now)))
  end
  share.down_to, share.revision = down_to, revision
  sharing.write(name, share)
  look_at_limit(name, now)
  if share.most ~= granted then
    report(name)
  end
  if call("LLEN", prefix .. "p:w:" .. name) > 0 then
    sharing.look_by(name, now + SHARE_MS.asked_again)
  elseif share.most > 0 then
    sharing.look_by(name, now + SHARE_MS.idle)
  elseif sharing.used(name, now) == 0 then
    forget(name, share)
  end
end

for i = 2, #ARGV, 5 do
  local granted, number, down_to, revision = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  take(ARGV[i], granted, number, down_to, revision)
end
if #ARGV == 1 then
  for _, name in ipairs(call("ZRANGE", prefix .. "p:a", 0, TOLD_AT_ONCE - 1)) do
    local share, _, set = share_of(name), most_at(name)
    if share.revision < (set and set.revision or 0) then
      -- It was granted by other limits: what nobody uses goes back.
      sharing.lower(name, share, 0, now)
    end
    report(name)
    -- If this answer is lost.
    sharing.look_by(name, now + SHARE_MS.asked_again)
  end
end
return commit(answer)
