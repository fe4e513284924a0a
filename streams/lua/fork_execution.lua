-- fork_execution: make executions of what was staged for them: a root, and those below it that go with it.
--
-- KEYS[1]   due       sorted set; gives the partition's prefix
-- KEYS[2]   events    stream of the root
-- KEYS[3..] declared  the keys of the executions named below, for Redis Cluster; derived in here
-- ARGV[1]   request   names this fork; becomes the incarnation of all
-- ARGV[2]   content   digest that decides whether a second fork under this id is the same
-- ARGV[3..] execution id, parent or "", n, policy (as in step.lua), count of its events, version of its
--                     `forked` event, target, queue, definition, bounds, state ("" for none), attributes (as in
--           transition.lua) each; a
--                     parent stands before its children
-- RETURNS  "CREATED" | "EXISTS" (the same fork was made before) | "CONFLICT" | "LOST" (what was staged is not
--          there any more: stage it again); only CREATED creates anything

--@include transition

local request, content = ARGV[1], ARGV[2]

local first = call("XRANGE", KEYS[2], "1-0", "1-0")[1]
if first then
  return field_of(first, "h") == content and "EXISTS" or "CONFLICT"
end

local forks = {}
for i = 3, #ARGV, 12 do
  local id = ARGV[i]
  local staged, version, forked = prefix .. "f:" .. id, tonumber(ARGV[i + 4]), ARGV[i + 5]
  if call("XLEN", staged) ~= version then
    return "LOST"
  end
  local event = call("XRANGE", staged, forked .. "-0", forked .. "-0")[1]
  local last = call("XREVRANGE", staged, "+", "-", "COUNT", 1)[1]
  local parent = ARGV[i + 1]
  forks[#forks + 1] = {
    id = id, ["in"] = request, ty = "workflow", p = parent ~= "" and parent or nil, n = ARGV[i + 2],
    policy = ARGV[i + 3], staged = staged, version = version, forked_at = at_of(event), last_at = at_of(last),
    tg = ARGV[i + 6], q = ARGV[i + 7], df = ARGV[i + 8], bounds = ARGV[i + 9], state = ARGV[i + 10], ab = ARGV[i + 11],
  }
end
for _, born in ipairs(forks) do
  create(born, born.forked_at)
  if born.state ~= "" then
    call("HSET", prefix .. "x:" .. born.id, "sv", born.state)
  end
end
return commit("CREATED")
