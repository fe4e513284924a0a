-- get_executions: everything a reader is told of some executions of one partition.
--
-- KEYS[1]   due       sorted set; gives the partition's prefix
-- KEYS[2..] declared  projections of the executions, for Redis Cluster
-- ARGV[1]   follow    "1": of an execution that was restarted, its newest run instead of the first; else "0"
-- ARGV[2..] id        executions, at most 64
-- RETURNS   one item per id, in order: false when unknown, {what is wrong} when its records are damaged, else
--           {{field, value…} of the projection, version, first event (see beginning_of), last event, wake or false, due or false,
--            progress or false, what stops it or false, whether it alone is paused or false,
--            version by its control or false, its id}

--@include transition

local function facts_of(id)
  return call("HGETALL", prefix .. "x:" .. id)
end

local function fact(facts, name)
  for i = 1, #facts, 2 do
    if facts[i] == name then
      return facts[i + 1]
    end
  end
end

local function look(id)
  local facts = facts_of(id)
  if ARGV[1] == "1" and chain_of(id) == id and (fact(facts, "st") or "restarted") == "restarted" then
    id = newest_run(id)
    facts = facts_of(id)
  end
  if #facts == 0 then
    return false
  end
  local stream = prefix .. "e:" .. id
  local control = load(id)
  local due, progress = false, false
  if control then
    progress = call("HGET", prefix .. "k:" .. id, "pg")
  end
  if control and control.wk == "due" then
    due = call("ZSCORE", KEYS[1], due_member("ready", id, 0, control["in"]))
  end
  return {
    facts, call("XLEN", stream), beginning_of(id, fact(facts, "pv")) or call("XRANGE", stream, "-", "+", "COUNT", 1)[1] or false,
    call("XREVRANGE", stream, "+", "-", "COUNT", 1)[1] or false, control and control.wk or false, due, progress,
    call("HGET", prefix .. "z", id), control and control.ps or false, control and control.v or false, id,
  }
end

local found = {}
for i = 1, #ARGV - 1 do
  local done, item = apart(look, ARGV[i + 1])
  found[i] = done and item or not done and { item }
end
return found
