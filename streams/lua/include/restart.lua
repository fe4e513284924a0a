-- restart: a workflow ends, and its successor begins. Included after transition.

-- One that restarts without having waited for anything would do so some thousand times a second.
local AT_ONCE_MS = 1000

-- successor: df, bounds, payload; signals: the encoded ones that nobody took. What came after `upto`, and what waits
-- for the end, goes along.
local function restart(control, now, token, upto, payload, successor)
  local id = control.id
  local chain, run = chain_of(id), digits(run_of(id) + 1)
  local next_id = chain .. "~" .. run
  local parent, n = string.match(next_id, "^(.*)/([^/]+)$")
  local stream = prefix .. "e:" .. id
  local policy, content
  -- Requests are known for an hour at least, and do not become more and more.
  local since, before = string.match(control.rq or control.cr .. " -", "^(%d+) (%S+)$")
  if not since then
    damaged("its control record is incomplete")
  end
  if parent then
    policy = call("HGET", prefix .. "c:" .. parent, string.match(id, "[^/]+$")) or "a"
  else
    -- So that a start under the first id is known for the same as long as any run is kept.
    content = field_of(call("XRANGE", stream, "1-0", "1-0")[1] or damaged("its first event is missing"), "h")
  end
  local later_events = call("XRANGE", stream, digits(upto + 1) .. "-0", "+")

  create({
    id = next_id, ["in"] = token, h = content, ty = "workflow", tg = successor.tg, q = control.q, df = successor.df,
    p = parent, n = n, policy = policy, due = upto <= 1 and now + AT_ONCE_MS or nil, bounds = successor.bounds, payload = successor.payload,
    ab = attributes_of(id),
  }, now)
  call("SET", prefix .. "n:" .. chain, run)
  local follower = load(next_id)
  for _, signal in ipairs(successor.signals) do
    append(follower, now, token, "signal_received", "d", signal)
  end
  for _, event in ipairs(later_events) do
    local kind = field_of(event, "t")
    if kind == "signal_received" or kind == "cancel_requested" then
      append(follower, now, field_of(event, "k"), kind, "d", field_of(event, "d"))
    end
  end
  if control.cq then
    limit(follower, "g", now + GRACE_MS)
    keep(follower, "cq", control.cq, "dm", follower.dm)
  end
  if control.ps then
    keep(follower, "ps", control.ps)
    call("ZADD", prefix .. "h", call("ZSCORE", prefix .. "h", id) or now, next_id)
  end
  if control.ew then
    call("RENAME", prefix .. "b:x:" .. id, prefix .. "b:x:" .. next_id)
    keep(follower, "ew", control.ew)
    control.ew = nil
  end
  if now - since >= REQUESTS_KEPT_MS then
    since, before = digits(now), id
  elseif call("EXISTS", prefix .. "r:" .. id) == 1 then
    call("RENAME", prefix .. "r:" .. id, prefix .. "r:" .. next_id)
  end
  keep(follower, "rq", since .. " " .. before)
  local schedule = schedule_of(id)
  local due = schedule and call("ZSCORE", prefix .. "l:" .. schedule, id)
  if due then
    call("ZADD", prefix .. "l:" .. schedule, due, next_id)
  end
  finish(control, now, token, "restarted", payload, "u", digits(upto))
end
