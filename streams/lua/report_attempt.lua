-- report_attempt: a running task says that it lives, and how far it is.
--
-- KEYS[1]  due       sorted set; gives the partition's prefix
-- KEYS[2]  control   record of the execution
-- ARGV[1]  now       unix ms, or "" for the server's clock
-- ARGV[2]  id        the execution's id
-- ARGV[3]  token     of its claim
-- ARGV[4]  details   encoded, for the next attempt; "" leaves them as they are
-- ARGV[5]  progress  encoded, for people; "" leaves it as it is
-- RETURNS  "OK" | "CANCEL" (it is to end) | "STALE" (it is not this worker's any more; writes nothing)

--@include transition

local control = load(ARGV[2])
if not control or control.tk ~= ARGV[3] then
  return "STALE"
end
if ARGV[4] ~= "" then
  keep(control, "hd", ARGV[4])
end
if ARGV[5] ~= "" then
  call("HSET", further(control), "pg", ARGV[5])
end
if control.hb then
  call("ZADD", KEYS[1], clock(ARGV[1]) + control.hb, beat_member(control))
end
return commit(control.cq and "CANCEL" or "OK")
