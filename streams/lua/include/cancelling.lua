-- cancelling: ask for the end of an execution, or take it out of its worker's hands. Included by transition.

-- Tells the worker that runs it not to go on. Renewing its lease tells it too, if this is lost.
local function tell_worker(control)
  local worker = worker_of(control)
  if worker then
    local box = prefix .. "m:" .. worker
    call("RPUSH", box, control.tk .. " " .. control.id)
    call("PEXPIRE", box, REPLIES_KEPT_MS)
    ring("m:" .. worker)
  end
end

-- Takes it out of its worker's hands: what that settles later is stale.
local function let_go(control)
  local worker = worker_of(control)
  if worker then
    call("HDEL", prefix .. "a:" .. worker, control.id)
    tell_worker(control)
  end
end

-- Somebody wants it to end. A task that nobody runs ends at once, as does a workflow before the time at which it
-- was to begin: it has nothing to clean up. Who runs is asked, and has a grace time. The same `payload` says why
-- in the request and in the terminal event.
local function cancel(control, now, cause, payload)
  if control.cq then
    return
  end
  local is_to_begin = control.st == "pending" and control.wk == "due"
  if is_to_begin or (control.ty == "task" and control.wk ~= "claimed") then
    finish(control, now, cause, "cancelled", payload)
    return
  end
  append(control, now, cause, "cancel_requested", "d", payload)
  limit(control, "g", now + GRACE_MS)
  keep(control, "cq", payload, "dm", control.dm)
  if control.ty == "task" then
    tell_worker(control)
  else
    wake(control)
  end
end

-- A child of an ended or cancelled workflow, by its entry among the live ones, is to end: at once, or
-- by being asked. Those in other trees are told through the outbox.
local function part_with(control, n, entry, now, cause, reason, at_once)
  local policy, other = string.match(entry, "^@(%a)|(.*)$")
  if other then
    if at_once or policy ~= "a" then
      post("k", at_once and "terminate" or "cancel", "f", control.id, "i", control["in"], "to", other, "n", n,
        "c", cause, "d", reason)
    end
    return
  end
  local id = control.id .. "/" .. n
  local done, why = apart(function()
    local child = (at_once or entry ~= "a") and load(id)
    if child and at_once then
      let_go(child)
      child.closing = "end"
      finish(child, now, cause, "cancelled", reason)
    elseif child then
      cancel(child, now, cause, reason)
    end
  end)
  if not done then
    park(id, why)
  end
end
