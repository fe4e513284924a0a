-- renew_lease: a worker shows that it lives, and hears what it is not to go on with.
--
-- KEYS[1]  due       sorted set; gives the partition's prefix
-- KEYS[2]  held      hash of what the worker holds
-- ARGV[1]  now       unix ms, or "" for the server's clock
-- ARGV[2]  worker    incarnation
-- ARGV[3]  lease_ms  how long from now
-- ARGV[4]  answered  number of the last step that the worker got an answer to, 0 for none
-- RETURNS  {the lease's end, claim's token and id…}: tasks that are to be cancelled, and claims that are
--          not this worker's any more | {0} when the worker counts as lost, or a failover lost what it was
--          answered; 0 writes nothing

--@include transition

-- Before the blank: the number of the worker's last call, see step.
if tonumber(string.match(call("HGET", KEYS[2], "#") or "-1", "^%S+")) < tonumber(ARGV[4]) then
  return { 0 }
end
local ends = clock(ARGV[1]) + tonumber(ARGV[3])
local member = due_member("lease", ARGV[2], 0, 0)
-- A server that is full refuses a script that begins by storing, and work in hand must not be lost.
call("ZREM", KEYS[1], member)
call("ZADD", KEYS[1], ends, member)

local answer = { ends }
local entries = call("HGETALL", KEYS[2])
for i = 1, #entries, 2 do
  local id, token = entries[i], string.match(entries[i + 1], "^%S+")
  if id ~= "#" then
    local done, control = apart(load, id)
    if not (done and control and control.tk == token) or (control.cq and control.ty == "task") then
      answer[#answer + 1] = token .. " " .. id
    end
  end
end
return answer
