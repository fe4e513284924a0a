-- query_executions: ids that match all given filters, newest first, one page of one partition.
--
-- KEYS[1]   due       sorted set; gives the partition's prefix
-- KEYS[2]   workers   hash whose fields are the workers
-- KEYS[3..] indexes   sorted sets to choose from, one per filter, or those that hold all together; others follow on a Cluster
-- ARGV[1]   units     how many entries to look at, at most 256
-- ARGV[2]   newest    "+inf" or unix ms, inclusive
-- ARGV[3]   oldest    "-inf" or unix ms, inclusive
-- ARGV[4]   after     "" or the created time of the last entry seen, unix ms
-- ARGV[5]   after_id  "" or the id of the last entry seen
-- ARGV[6]   target, ARGV[7] status, ARGV[8] parent, ARGV[9] queue, ARGV[10] type: "" for any
-- ARGV[11]  schedule  "" for any
-- ARGV[12]  recorded  "1": what a worker holds counts as what its events say, not as running; else "0"
-- ARGV[13]  count     how many indexes; 0 for the two that hold all together
-- ARGV[14]  fields    attributes and error: a field of the projection and what it must be, each on a line of its own
-- ARGV[15]  by        "": ids are wanted; or a field of the projection, by which they are counted
-- RETURNS   {done, last created, last id, {id, created, …}}; done is 1 when nothing follows. Of those that are counted
--           the list is {value, how many, …}; without a value they count under ""

--@include transition

local units, newest, oldest, after, after_id = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local target, status, parent, queue, type_ = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local schedule, recorded = ARGV[11], ARGV[12] == "1"
local by = ARGV[15]
local fields, wanted = {}, {}
for field, value in string.gmatch(ARGV[14], "([^\n]+)\n([^\n]*)") do
  fields[#fields + 1], wanted[#wanted + 1] = field, value
end
fields[#fields + 1] = by ~= "" and by or nil

-- What is in a worker's hands runs; a workflow's turn is no event, though.
local function status_of_living(id)
  local done, control = apart(load, id)
  if done and control then
    return not recorded and control.ty == "workflow" and control.wk == "claimed" and "running" or control.st
  end
end

local function matches(id)
  local done, facts = apart(call, "HMGET", prefix .. "x:" .. id, "tg", "st", "q", "ty", "cr", "sc", unpack(fields))
  if not done then
    return false
  end
  for i, value in ipairs(wanted) do
    if facts[6 + i] ~= value then
      return false
    end
  end
  local now_status = facts[2] or status_of_living(id)
  return (target == "" or facts[1] == target) and (status == "" or now_status == status)
    and (parent == "" or parent_of(id) == parent) and (queue == "" or facts[3] == queue)
    and (type_ == "" or facts[4] == type_) and (schedule == "" or facts[6] == schedule), facts[5],
    by == "st" and now_status or by ~= "" and facts[7 + #wanted] or ""
end

fold_all()
local found, counts = {}, {}
local function give(id, created, value)
  if by == "" then
    found[#found + 1] = id
    found[#found + 1] = created
  else
    counts[value] = (counts[value] or 0) + 1
  end
end

local function given()
  for value, count in pairs(counts) do
    found[#found + 1] = value
    found[#found + 1] = count
  end
  return found
end

if status == "running" then
  -- It is in no index of its own: what workers hold tells. At all of it at once.
  local seen, list = {}, {}
  local function look(id)
    local fits, created, value = matches(id)
    local at = tonumber(created or nil)
    if fits and at and not seen[id] and (newest == "+inf" or at <= tonumber(newest))
      and (oldest == "-inf" or at >= tonumber(oldest)) then
      seen[id] = true
      list[#list + 1] = { id, created, value }
    end
  end
  for _, worker in ipairs(call("HKEYS", KEYS[2])) do
    for _, id in ipairs(call("HKEYS", prefix .. "a:" .. worker)) do
      if id ~= "#" then
        look(id)
      end
    end
  end
  table.sort(list, function(a, b)
    if a[2] == b[2] then
      return a[1] > b[1]
    end
    return tonumber(a[2]) > tonumber(b[2])
  end)
  for _, entry in ipairs(list) do
    give(unpack(entry))
  end
  return { 1, "", "", given() }
end

local function index_of(key)
  return string.sub(key, #prefix + 3)
end

local function read(index)
  return index_read(index, after ~= "" and after or newest, oldest, after_id, units, false)
end

local index, smallest = nil, nil
for i = 3, 2 + tonumber(ARGV[13]) do
  local size = index_size(index_of(KEYS[i]))
  if not smallest or size < smallest then
    index, smallest = index_of(KEYS[i]), size
  end
end
local entries = index and read(index) or newest_of(read(index_of(KEYS[3])), read(index_of(KEYS[4])), units)
for i = 1, #entries, 2 do
  local fits, _, value = matches(entries[i])
  if fits then
    give(entries[i], entries[i + 1], value)
  end
end
local is_done = #entries < 2 * units
return { is_done and 1 or 0, entries[#entries] or after, entries[#entries - 1] or after_id, given() }
