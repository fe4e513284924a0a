-- take_ended: the executions that have ended and that a client waits for, as they stand now.
--
-- KEYS[1]  due      sorted set; gives the partition's prefix
-- KEYS[2]  replies  list: for each an empty word, on which the client waits, and its id
-- RETURNS  {id, item, …} of at most 64: see reading.lua; the newest run's item of what was restarted

--@include transition
--@include reading

-- As GET_AT_ONCE in streams/projections.py, two words each.
local WORDS_AT_ONCE = 128

local told = {}
for _, id in ipairs(call("LPOP", KEYS[2], WORDS_AT_ONCE) or {}) do
  if id ~= "" then
    told[#told + 1] = id
    told[#told + 1] = item_of(chain_of(id), true)
  end
end
return told
