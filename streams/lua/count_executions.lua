-- count_executions: how many executions match one filter or none, by its index alone.
--
-- KEYS[1]  due      sorted set; gives the partition's prefix
-- KEYS[2]  workers  hash whose fields are the workers
-- KEYS[3]  index    sorted set of the filter
-- ARGV[1]  newest   "+inf" or unix ms, inclusive
-- ARGV[2]  oldest   "-inf" or unix ms, inclusive
-- ARGV[3]  status   what the filter asks for, "" for another filter; not "running", which is no index's
-- RETURNS  {number, next}: up to when the others were created, for the next call, which is of no status; "" if that
--          is all

--@include transition

fold_all()
local newest, oldest, status = ARGV[1], ARGV[2], ARGV[3]
-- A script does not more than this at once.
local CHUNKS_AT_ONCE = 256
local index, number, further = string.sub(KEYS[3], #prefix + 3), nil, nil
if newest == "+inf" and oldest == "-inf" then
  number = index_size(index)
else
  number, further = index_count(index, newest, oldest, CHUNKS_AT_ONCE)
end
if status ~= "pending" and status ~= "suspended" then
  return { number, further or "" }
end
-- What runs is in no index of its own: what workers hold tells.
for _, worker in ipairs(call("HKEYS", KEYS[2])) do
  for _, id in ipairs(call("HKEYS", prefix .. "a:" .. worker)) do
    local held = id ~= "#" and load(id)
    if held and held.wk == "claimed" and index_of_status(held.st) == status then
      local at = tonumber(held.cr)
      if (newest == "+inf" or at <= tonumber(newest)) and (oldest == "-inf" or at >= tonumber(oldest)) then
        number = number - 1
      end
    end
  end
end
return { number, further or "" }
