-- read_limits: what is set, and how it is used now.
--
-- KEYS[1]  due     sorted set; gives the partition's prefix
-- KEYS[2]  limits  hash: what is set -> six numbers: see limits.lua
-- ARGV[1]  now     unix ms, or "" for the server's clock
-- RETURNS  {field, numbers, this partition's share of how many may run, how many run, how many began within the time, how many wait at least, …}

--@include transition

-- What waits in further lanes is not counted: that would hold the server up.
local LANES_COUNTED = 1000

local now = clock(ARGV[1])
local waiting, lanes = {}, 0
for _, name in ipairs(call("SSCAN", prefix .. "p:w", 0, "COUNT", LANES_COUNTED)[2]) do
  local scope = string.match(name, "^%a|[^|]*|(.*)$")
  for _, entry in ipairs(call("LRANGE", prefix .. "p:w:" .. name, 0, math.max(LANES_COUNTED - lanes, 0))) do
    local lane, queue = string.match(entry, "^(%S+) (%S+)$")
    waiting[scope] = (waiting[scope] or 0) + call("LLEN", lane_list(lane, queue))
    lanes = lanes + 1
  end
end
local answer = {}
local fields = call("HGETALL", KEYS[2])
for i = 1, #fields, 2 do
  local scope = string.gsub(fields[i], "^declared:", "task:")
  local set = setting_of(scope)
  local began = 0
  for _, at in ipairs(set and call("LRANGE", prefix .. "p:r||" .. scope, 0, -1) or {}) do
    began = began + (tonumber(at) > now - set.ms and 1 or 0)
  end
  answer[#answer + 1] = fields[i]
  answer[#answer + 1] = fields[i + 1]
  answer[#answer + 1] = has_shares() and share_of("c||" .. scope).most or 0
  answer[#answer + 1] = call("ZCARD", prefix .. "p:c||" .. scope)
  answer[#answer + 1] = began
  answer[#answer + 1] = waiting[scope] or 0
end
return answer
