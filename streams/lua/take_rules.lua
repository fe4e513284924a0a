-- take_rules: hear what rules say elsewhere, where it is newer than what is known here.
--
-- KEYS[1]   due    sorted set; gives the partition's prefix
-- KEYS[2]   rules  hash: what was heard of each: see rules.lua
-- ARGV[1]   now         unix ms, or "" for the server's clock
-- ARGV[2]   partitions  how many there are
-- ARGV[3..] rule        its name, its home's tag, its revision, what it says, each
-- RETURNS  {rule, revision, what it says, …} of those that were known here, so new or newer

--@include transition
--@include rules

local now, partitions = clock(ARGV[1]), tonumber(ARGV[2])
local answer = {}
for i = 3, #ARGV, 4 do
  local rule, home, revision, says = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local known, said = heard_of(rule)
  -- A failover may let a revision be given twice: of both all partitions take the same one.
  if revision > known or (revision == known and says > said) then
    hear(rule, home, revision, says, now, partitions)
  else
    for _, word in ipairs({ rule, known, said }) do
      answer[#answer + 1] = word
    end
  end
end
return commit(answer)
