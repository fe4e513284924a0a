-- reading: everything a reader is told of an execution. Included after transition.

local function fact(facts, name)
  for i = 1, #facts, 2 do
    if facts[i] == name then
      return facts[i + 1]
    end
  end
end

local function look(id, follow)
  local facts = facts_of(id)
  if follow and chain_of(id) == id and (fact(facts, "st") or "restarted") == "restarted" then
    id = newest_run(id)
    facts = facts_of(id)
  end
  if #facts == 0 then
    return false
  end
  local stream = prefix .. "e:" .. id
  local control = load(id)
  local due, progress = false, false
  if control and control.fu then
    progress = call("HGET", prefix .. "k+:" .. id, "pg")
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

-- False when it is unknown, {what is wrong} when its records are damaged, else {{field, value…} of the projection,
-- version, first event (see beginning_of), last event, wake or false, due or false, progress or false, what stops it
-- or false, whether it alone is paused or false, version by its control or false, its id}.
-- follow: of an execution that was restarted, its newest run instead of the first.
local function item_of(id, follow)
  local done, item = apart(look, id, follow)
  return done and item or not done and { item }
end
