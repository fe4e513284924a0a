-- remove_message: forget a message that was delivered in another partition.
--
-- KEYS[1]  due       sorted set; gives the partition's prefix
-- KEYS[2]  outbox    stream of the partition's messages
-- ARGV[1]  delivery  the message that is done: see transition.lua
-- RETURNS  "OK" | "OVERTAKEN" it is not the oldest: removed before, or lost with a failover, after which another one may
--          have got its number

--@include transition

if is_overtaken(ARGV[1]) then
  return "OVERTAKEN"
end
delivered(ARGV[1])
return "OK"
