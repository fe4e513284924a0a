-- rules: what holds in a whole namespace because somebody said so: what rests, and limits. Included after transition.
--
-- A rule is named "pause <kind>:<name>" or "limit <field>", see limits.lua. It says "<since> <note>", or six numbers, or
-- "" when there is none. What holds in a partition stands there in the hashes f and p, where other scripts look.
--
-- With several partitions a rule has a home among them, where it is changed and gets its revision: unix ms, or more. The
-- hash r has what a partition has heard of each rule, "<revision> <what it says>", also of those that are no more; in "#"
-- the highest revision that it has heard of; in "+<tag>" the sum of those from a home, which is the home's own when nothing
-- of it is missing. The highest revision holds, in whatever order they come.

local function rule_in_force(rule)
  local kind, of = string.match(rule, "^(%a+) (.*)$")
  if kind == "pause" then
    return call("HGET", prefix .. "f", of) or ""
  end
  return (written_in(of))
end

local function enforce(rule, says, now, partitions, revision)
  local kind, of = string.match(rule, "^(%a+) (.*)$")
  if kind == "limit" then
    if partitions > 1 then
      call("HSET", prefix .. "p:s", "#", partitions)
    end
    set_limits(of, says, now, revision)
  elseif says ~= "" then
    call("HSET", prefix .. "f", of, says)
  elseif call("HDEL", prefix .. "f", of) == 1 then
    local what, name = string.match(of, "^(%a+):(.*)$")
    if what == "queue" then
      may_have_lanes[name] = true
      ring("q:" .. name)
    else
      -- There may be many: the timekeeper gives them back in pieces.
      later(now, "release", what, 0, name)
    end
  end
end

-- Revision 0 for a rule of which nothing was heard.
local function heard_of(rule)
  local revision, says = string.match(call("HGET", prefix .. "r", rule) or "", "^(%d+) (.*)$")
  return tonumber(revision or 0), says or ""
end

local function highest_revision()
  return tonumber(call("HGET", prefix .. "r", "#") or 0)
end

local function hear(rule, home, revision, says, now, partitions)
  call("HINCRBY", prefix .. "r", "+" .. home, digits(revision - heard_of(rule)))
  call("HSET", prefix .. "r", rule, digits(revision) .. " " .. says, "#", digits(math.max(revision, highest_revision())))
  enforce(rule, says, now, partitions, revision)
end
