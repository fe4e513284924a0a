-- put_rules: at the home of rules: say what they are to say from now on.
--
-- KEYS[1]   due    sorted set; gives the partition's prefix
-- KEYS[2]   rules  hash: what was heard of each: see rules.lua
-- ARGV[1]   now         unix ms, or "" for the server's clock
-- ARGV[2]   partitions  how many there are
-- ARGV[3]   home        this partition's tag
-- ARGV[4..] rule        its name; what it is to say, "" for nothing; of a pause " <note>", without since when; each
-- RETURNS  {revision or 0, what it says, what it said before, …}; one that says it already keeps its revision

--@include transition
--@include rules

local now, partitions = clock(ARGV[1]), tonumber(ARGV[2])
local answer = {}
for i = 4, #ARGV, 2 do
  local rule, says = ARGV[i], ARGV[i + 1]
  local before = rule_in_force(rule)
  if says ~= "" and string.sub(rule, 1, 6) == "pause " then
    says = (string.match(before, "^%d+") or digits(now)) .. says
  end
  local revision = 0
  if partitions > 1 then
    revision = heard_of(rule)
  end
  if says ~= before and partitions > 1 then
    revision = math.max(now, highest_revision() + 1)
    hear(rule, ARGV[3], revision, says, now, partitions)
  elseif says ~= before then
    enforce(rule, says, now, partitions)
  end
  for _, said in ipairs({ revision, says, before }) do
    answer[#answer + 1] = said
  end
end
return commit(answer)
