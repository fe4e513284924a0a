-- find_limits: the limit at which an execution waits.
--
-- KEYS[1]  due      sorted set; gives the partition's prefix
-- KEYS[2]  limits   hash: what is set -> six numbers: see limits.lua
-- KEYS[3]  control  record of the execution
-- ARGV[1]  now      unix ms, or "" for the server's clock
-- ARGV[2]  id       the execution's id
-- RETURNS  {} it waits at none | {limit, how many, within how many ms, when the next may begin or 0}

--@include transition

-- One of more lanes than these is not found: that would hold the server up.
local LANES_LOOKED_AT = 1000

local now = clock(ARGV[1])
local control = load(ARGV[2])
local lane = control and control.wk == "queued" and control.fl
if not lane or call("EXISTS", KEYS[2]) == 0 or call("ZSCORE", prefix .. "g:" .. control.q, lane) then
  return {}
end
local _, key, rest = string.match(lane, "^(%d)|([^|]*)|(.*)$")
local target = string.match(rest, "^t:(.*)$")
for _, scope in ipairs({ "queue:" .. control.q, target and "task:" .. target or nil }) do
  local set = setting_of(scope)
  for _, name in ipairs({ "c||", "r||", "c|" .. key .. "|", "r|" .. key .. "|" }) do
    name = name .. scope
    local waiting = prefix .. "p:w:" .. name
    if set and call("LPOS", waiting, lane .. " " .. control.q, "MAXLEN", LANES_LOOKED_AT) then
      local kind, of = string.match(name, "^(%a)|([^|]*)|")
      local k = of == "" and "" or "k"
      local _, opens = room_at(name, now)
      return { name, set[k .. kind], kind == "r" and set[k .. "ms"] or 0, opens or 0 }
    end
  end
end
return {}
