-- stage_events: gather the events that a fork begins with, where nobody sees them.
--
-- KEYS[1]  due      sorted set; gives the partition's prefix
-- KEYS[2]  staged   stream of the events gathered
-- ARGV[1]  now      unix ms, or "" for the server's clock
-- ARGV[2]  after    how many events were staged before; 0 begins anew
-- ARGV[3..] event   type, unix ms or "" for now, count of the fields that follow, field, value, … each
-- RETURNS  "OK" | "LOST" what was staged before is not there any more; writes nothing

--@include transition

local after, now = tonumber(ARGV[2]), clock(ARGV[1])
if after == 0 then
  call("DEL", KEYS[2])
elseif call("XLEN", KEYS[2]) < after then
  return "LOST"
end
local last = 0
local newest = call("XREVRANGE", KEYS[2], "+", "-", "COUNT", 1)[1]
if newest then
  last = at_of(newest)
end
local staged = newest and tonumber(string.match(newest[1], "^%d+")) or 0
local version, position = after, 3
while position <= #ARGV do
  local kind, at, count = ARGV[position], tonumber(ARGV[position + 1]), tonumber(ARGV[position + 2])
  version = version + 1
  if version > staged then
    -- Else this call is repeated: its answer was lost.
    last = math.max(at or now, last)
    call("XADD", KEYS[2], version .. "-0", "t", kind, "a", last, unpack(ARGV, position + 3, position + 2 + count))
  end
  position = position + 3 + count
end
call("PEXPIRE", KEYS[2], STAGED_KEPT_MS)
return "OK"
