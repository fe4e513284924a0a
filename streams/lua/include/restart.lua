-- restart: a workflow ends, and its successor begins. Included in step, after give_back.

-- One that restarts without having waited for anything would do so some thousand times a second.
local AT_ONCE_MS = 1000

-- What goes along to the successor, signals that nobody took and what came meanwhile, is at most so much in one call. More is
-- gathered in pieces in the stream f of its id, where nobody sees it, with the token of the claim that does so: another
-- claim begins anew. cy of the control record tells up to which version has been gathered what came.
local CARRIED_AT_ONCE = 256

-- successor: tg, df, bounds, payload; signals: encoded ones that nobody took, and before: how many were gathered.
local function successor_of(control, now, token, upto, successor)
  local id = control.id
  local next_id = chain_of(id) .. "~" .. digits(run_of(id) + 1)
  local parent, n = string.match(next_id, "^(.*)/([^/]+)$")
  local policy, content
  if parent then
    policy = call("HGET", prefix .. "c:" .. parent, string.match(id, "[^/]+$")) or "a"
  else
    -- So that a start under the first id is known for the same as long as any run is kept.
    content = field_of(call("XRANGE", prefix .. "e:" .. id, "1-0", "1-0")[1] or damaged("its first event is missing"), "h")
  end
  return {
    id = next_id, ["in"] = token, h = content, ty = "workflow", tg = successor.tg, q = control.q, df = successor.df,
    p = parent, n = n, policy = policy, due = upto <= 1 and now + AT_ONCE_MS or nil, bounds = successor.bounds, payload = successor.payload,
    ab = attributes_of(id),
  }
end

local function goes_along(kind)
  return kind == "signal_received" or kind == "cancel_requested"
end

-- Gathers what the successor begins with: the signals, then, with `is_last`, what came after `upto`. What is there already
-- is passed over: the call was repeated. False if there is more; nil if what was gathered before is gone.
local function gather(control, born, now, upto, successor, is_last)
  local staged, key = prefix .. "f:" .. born.id, prefix .. "k+:" .. control.id
  local first = call("XRANGE", staged, "1-0", "1-0")[1]
  if not first or field_of(first, "k") ~= born["in"] then
    if successor.before > 0 then
      return nil
    end
    call("DEL", staged)
    call("XADD", staged, "1-0", unpack(first_event_of(born, digits(now))))
    call("HDEL", key, "cy")
    control.cy = nil
    first = call("XRANGE", staged, "1-0", "1-0")[1]
  end
  local newest = call("XREVRANGE", staged, "+", "-", "COUNT", 1)[1]
  local version, at = tonumber(string.match(newest[1], "^%d+")), math.max(now, at_of(newest))
  if version <= successor.before then
    return nil
  end
  local left = CARRIED_AT_ONCE
  local function add(cause, kind, payload)
    version = version + 1
    call("XADD", staged, digits(version) .. "-0", "t", kind, "a", digits(at), "k", cause, "d", payload)
  end
  for i, signal in ipairs(successor.signals) do
    if version < 1 + successor.before + i then
      add(born["in"], "signal_received", signal)
      left = left - 1
    end
  end
  local is_all = true
  if is_last then
    local from = digits((control.cy or upto) + 1) .. "-0"
    local came = call("XRANGE", prefix .. "e:" .. control.id, from, "+", "COUNT", left + 1)
    for i = 1, math.min(#came, left) do
      local kind = field_of(came[i], "t")
      if goes_along(kind) then
        add(field_of(came[i], "k"), kind, field_of(came[i], "d"))
      end
      control.cy = string.match(came[i][1], "^%d+")
    end
    is_all = #came <= left
    if not is_all then
      keep(control, "cy", control.cy or digits(upto))
    end
  end
  call("PEXPIRE", staged, STAGED_KEPT_MS)
  born.staged, born.version, born.last_at, born.began = staged, version, at, at_of(first)
  born.due = born.due and tonumber(field_of(first, "r"))
  return is_all
end

-- Who waits for its end, requests and a pause are its successor's from now on.
local function hand_down(control, follower, now)
  local id, next_id = control.id, follower.id
  -- Requests are known for an hour at least, and do not become more and more.
  local since, before = string.match(control.rq or control.cr .. " -", "^(%d+) (%S+)$")
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
end

-- With `is_last` the workflow ends, once all has gone along. Returns the verdict, see step.lua.
local function restart(control, now, token, upto, payload, successor, is_last)
  if not string.match(control.rq or control.cr .. " -", "^%d+ %S+$") then
    damaged("its control record is incomplete")
  end
  local born = successor_of(control, now, token, upto, successor)
  if not is_last or successor.before > 0 or #successor.signals + control.v - upto > CARRIED_AT_ONCE then
    local is_all = gather(control, born, now, upto, successor, is_last)
    if is_all == nil then
      -- Another claim begins anew.
      let_go_of[#let_go_of + 1] = control.id
      give_back(control, token, "", "")
      return "STALE"
    elseif not is_last then
      return "OK"
    elseif not is_all then
      return "MORE"
    end
    create(born, born.began)
  else
    local came = call("XRANGE", prefix .. "e:" .. control.id, digits(upto + 1) .. "-0", "+")
    create(born, now)
    local follower = load(born.id)
    for _, signal in ipairs(successor.signals) do
      append(follower, now, token, "signal_received", "d", signal)
    end
    for _, event in ipairs(came) do
      local kind = field_of(event, "t")
      if goes_along(kind) then
        append(follower, now, field_of(event, "k"), kind, "d", field_of(event, "d"))
      end
    end
  end
  let_go_of[#let_go_of + 1] = control.id
  call("SET", prefix .. "n:" .. chain_of(control.id), digits(run_of(born.id)))
  hand_down(control, load(born.id), now)
  finish(control, now, token, "restarted", payload, "u", digits(upto))
  return "OK"
end
