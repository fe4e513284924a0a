-- delete_execution: remove a finished root and all below it, a piece a call; under its first id, with all its runs.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  projection  hash of the root
-- ARGV[1]  id          the root's id
-- ARGV[2]  units       how many executions this call may remove, 1 to 256
-- RETURNS  {"DONE"} | {"MORE"} call again | {"UNKNOWN"} | {"ALIVE", status, how many live children}: of a run, perhaps
--          after newer ones were removed; else only DONE and MORE write

--@include transition
--@include deletion

local id, units = ARGV[1], tonumber(ARGV[2])

-- The newest run goes first: while one is left, the number of the newest tells how far this has come.
-- Looking for one that is gone already costs far less than removing one.
local RUN_UNITS = 8
local newest = chain_of(id) == id and newest_run(id) or id
if newest ~= id then
  local control = load(newest)
  if control then
    return { "ALIVE", control.st, 0 }
  end
  fold_all()
  local number, is_gone = run_of(newest), true
  while number > 1 and is_gone and units > 0 do
    local run = id .. "~" .. digits(number)
    local below = count_below(run)
    if below > 0 then
      return { "ALIVE", call("HGET", prefix .. "x:" .. run, "st"), below }
    end
    if call("EXISTS", prefix .. "x:" .. run) == 1 then
      is_gone = delete_tree(run, units)
      units = units - RUN_UNITS
    end
    units = units - 1
    if is_gone then
      number = number - 1
    end
    call("SET", prefix .. "n:" .. id, digits(number))
  end
  if number > 1 then
    return { "MORE" }
  end
  call("DEL", prefix .. "n:" .. id)
  if call("EXISTS", prefix .. "x:" .. id) == 0 then
    return { "DONE" }
  end
end

local below, control = count_below(id), load(id)
if control then
  return { "ALIVE", control.st, below }
end
local status = call("HGET", KEYS[2], "st")
if not status then
  return { "UNKNOWN" }
elseif below > 0 then
  return { "ALIVE", status, below }
end

fold_all()
if delete_tree(id, units) then
  return { "DONE" }
end
return { "MORE" }
