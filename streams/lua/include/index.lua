-- index: ids of executions by when they were created, in chunks. Included after `call` and `prefix`.
--
-- Redis packs a small sorted set as closely as a list, some 50 bytes a member, and needs 145 for each of a large one.
-- So an index is many small ones. Its newest chunk is i:<index>; an earlier one is named by its bound, i:+<bound> <index>: in it is
-- what was created up to then and after the bound before. The bounds stand in the sorted set i:+<index>, and how many
-- are in its earlier chunks in the hash i:+. What was created in the same ms is in one chunk, however much it is. An index's name
-- is its filter, with ":" and the value where there is one.
--
-- A child that a workflow's first decision asked for alone stands in no index p of its parent, which would take 170 bytes:
-- its number is the field ch of that one's projection. It is read as if it stood there.

-- How many close the newest chunk; twice as many divide an earlier one. Redis packs up to 128, and looks through half of
-- them to add one.
local CHUNK = 64

local function chunk_of(index, bound)
  return bound and prefix .. "i:+" .. bound .. " " .. index or prefix .. "i:" .. index
end

-- The bound of the chunk where something of that time belongs; nil for the newest.
local function bound_of(index, created)
  return call("ZRANGEBYSCORE", prefix .. "i:+" .. index, created, "+inf", "LIMIT", 0, 1)[1]
end

local function count_earlier(index, change)
  if call("HINCRBY", prefix .. "i:+", index, change) == 0 then
    call("HDEL", prefix .. "i:+", index)
  end
end

-- Of "id, created, …", which Redis answers, what it takes.
local function put(chunk, answered)
  local entries = {}
  for i = 1, #answered, 2 do
    entries[i], entries[i + 1] = answered[i + 1], answered[i]
  end
  call("ZADD", chunk, unpack(entries))
end

local function close_newest(index)
  local newest, bounds = chunk_of(index), prefix .. "i:+" .. index
  local bound = call("ZRANGE", newest, -1, -1, "WITHSCORES")[2]
  count_earlier(index, call("ZCARD", newest))
  call("RENAME", newest, chunk_of(index, bound))
  call("ZADD", bounds, bound, bound)
end

-- The older half of a chunk becomes one of its own; false if the newer one would have to be larger, all of it
-- created in the same ms.
local function divide(index, bound)
  local chunk = chunk_of(index, bound)
  local half = call("ZRANGE", chunk, CHUNK - 1, CHUNK - 1, "WITHSCORES")[2]
  if half == bound then
    return false
  end
  put(chunk_of(index, half), call("ZREVRANGEBYSCORE", chunk, half, "-inf", "WITHSCORES"))
  call("ZREMRANGEBYSCORE", chunk, "-inf", half)
  call("ZADD", prefix .. "i:+" .. index, half, half)
  return true
end

-- What is left of a chunk goes to the next one if there is room.
local function join(index, bound)
  local chunk = chunk_of(index, bound)
  local size = call("ZCARD", chunk)
  if size > CHUNK / 4 then
    return
  end
  if size > 0 then
    local following = call("ZRANGEBYSCORE", prefix .. "i:+" .. index, "(" .. bound, "+inf", "LIMIT", 0, 1)[1]
    local into = chunk_of(index, following)
    if call("ZCARD", into) > CHUNK / 2 then
      return
    end
    put(into, call("ZREVRANGEBYSCORE", chunk, "+inf", "-inf", "WITHSCORES"))
    call("ZREMRANGEBYSCORE", chunk, "-inf", "+inf")
    if not following then
      count_earlier(index, -size)
    end
  end
  call("ZREM", prefix .. "i:+" .. index, bound)
end

local function first_child(index)
  local parent = string.match(index, "^p:(.*)$")
  local n = parent and redis.pcall("HGET", prefix .. "x:" .. parent, "ch")
  local id = type(n) == "string" and parent .. "/" .. n
  local created = id and call("HGET", prefix .. "x:" .. id, "cr")
  if created then
    return id, created
  end
end

local function is_between(created, oldest, newest)
  local at = tonumber(created or nil)
  return at and (oldest == "-inf" or at >= tonumber(oldest)) and (newest == "+inf" or at <= tonumber(newest))
end

-- How far those from `first` on go that belong up to `bound`, at most so many.
local function run_end(entries, first, bound, most)
  local last, upto = first, tonumber(bound or nil)
  while last < #entries and last - first < 2 * most and (not upto or tonumber(entries[last]) <= upto) do
    last = last + 2
  end
  return last
end

-- entries: "created, id, …", the oldest first.
local function index_add(index, entries)
  local first = 1
  while first < #entries do
    local bound = bound_of(index, entries[first])
    local chunk = chunk_of(index, bound)
    local size = call("ZCARD", chunk)
    local room = (bound and 2 * CHUNK or CHUNK) - size
    if not (bound and room <= 0 and divide(index, bound)) then
      local next_one = run_end(entries, first, bound, room > 0 and room or CHUNK)
      -- Redis looks for each one's place from the oldest on: for the newest first it would look through these too.
      local run = {}
      for i = next_one - 2, first, -2 do
        run[#run + 1] = entries[i]
        run[#run + 1] = entries[i + 1]
      end
      local added = call("ZADD", chunk, unpack(run))
      if bound then
        count_earlier(index, added)
      elseif size + added >= CHUNK then
        close_newest(index)
      end
      first = next_one
    end
  end
end

-- entries: as above.
local function index_remove(index, entries)
  local first, child = 1, first_child(index)
  while first < #entries do
    local bound = bound_of(index, entries[first])
    local next_one = run_end(entries, first, bound, 2 * CHUNK)
    local ids = {}
    for i = first, next_one - 2, 2 do
      ids[#ids + 1] = entries[i + 1]
      if entries[i + 1] == child then
        call("HDEL", prefix .. "x:" .. string.sub(index, 3), "ch")
      end
    end
    local removed = call("ZREM", chunk_of(index, bound), unpack(ids))
    if bound and removed > 0 then
      count_earlier(index, -removed)
      join(index, bound)
    end
    first = next_one
  end
end

local function index_has(index, created, id)
  return (call("ZSCORE", chunk_of(index, bound_of(index, created)), id) or first_child(index) == id) and true or false
end

local function index_size(index)
  return call("ZCARD", prefix .. "i:" .. index) + (call("HGET", prefix .. "i:+", index) or 0)
    + (first_child(index) and 1 or 0)
end

-- As Redis sorts: Lua's own comparison goes by the server's locale.
local function sorts_before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then
      return a < b
    end
  end
  return #one < #other
end

-- How many of that time come up to `id`, which may be there no more.
local function count_upto(chunk, created, id, is_ascending)
  local rank = call(is_ascending and "ZRANK" or "ZREVRANK", chunk, id)
  if rank then
    local before = is_ascending and call("ZCOUNT", chunk, "-inf", "(" .. created)
      or call("ZCOUNT", chunk, "(" .. created, "+inf")
    return math.max(rank - before + 1, 0)
  end
  local passed = 0
  for _, other in ipairs(call("ZRANGEBYSCORE", chunk, created, created)) do
    if sorts_before(other, id) == is_ascending then
      passed = passed + 1
    end
  end
  return passed
end

-- The newest of two lists "id, created, …", the newest first.
local function newest_of(one, other, most)
  local merged, i, j = {}, 1, 1
  while #merged < 2 * most and (one[i] or other[j]) do
    local at, other_at = tonumber(one[i + 1] or nil), tonumber(other[j + 1] or nil)
    if at and (not other_at or at > other_at or (at == other_at and sorts_before(other[j], one[i]))) then
      merged[#merged + 1], merged[#merged + 2] = one[i], one[i + 1]
      i = i + 2
    else
      merged[#merged + 1], merged[#merged + 2] = other[j], other[j + 1]
      j = j + 2
    end
  end
  return merged
end

-- "id, created, …", at most so many, of what was created from the time `from` to the time `to`, both included, which may
-- be "+inf" and "-inf"; behind the entry `after_id` of the time `from`, unless that is "".
local function index_read(index, from, to, after_id, most, is_ascending)
  local bounds, found, behind = prefix .. "i:+" .. index, {}, after_id
  local rank, left = call("ZCOUNT", bounds, "-inf", "(" .. from), most
  repeat
    local bound = call("ZRANGE", bounds, rank, rank)[1]
    if bound and not is_ascending and to ~= "-inf" and tonumber(bound) < tonumber(to) then
      break
    end
    local chunk = chunk_of(index, bound)
    local passed = after_id ~= "" and count_upto(chunk, from, after_id, is_ascending) or 0
    local entries = call(is_ascending and "ZRANGEBYSCORE" or "ZREVRANGEBYSCORE", chunk, from, to, "WITHSCORES",
      "LIMIT", passed, left)
    for i = 1, #entries do
      found[#found + 1] = entries[i]
    end
    after_id = ""
    left = left - #entries / 2
    rank = rank + (is_ascending and 1 or -1)
  until left <= 0 or rank < 0 or (is_ascending and not bound)
  local id, created = first_child(index)
  if not id or not is_between(created, is_ascending and from or to, is_ascending and to or from) then
    return found
  elseif is_ascending then
    return { id, created, unpack(found) }
  elseif behind ~= "" and tonumber(created) == tonumber(from) and not sorts_before(id, behind) then
    return found
  end
  return newest_of(found, { id, created }, most)
end

-- How many were created in such a time, as far as so many chunks tell; and up to when the others are, nil if that is all.
local function index_count(index, newest, oldest, chunks)
  local bounds = prefix .. "i:+" .. index
  -- Between the chunks in which the time begins and ends all belongs to it.
  local last, first = call("ZCOUNT", bounds, "-inf", "(" .. newest), call("ZCOUNT", bounds, "-inf", "(" .. oldest)
  local from = math.max(first, last - chunks)
  local found = call("ZRANGE", bounds, from, last)
  local number = call("ZCOUNT", chunk_of(index, found[last - from + 1]), oldest, newest)
  for i = 2, last - from do
    number = number + call("ZCARD", chunk_of(index, found[i]))
  end
  if from > first then
    return number, found[1]
  elseif last > first then
    number = number + call("ZCOUNT", chunk_of(index, found[1]), oldest, newest)
  end
  local _, created = first_child(index)
  return number + (is_between(created, oldest, newest) and 1 or 0)
end

-- What was created earlier first.
local function by_creation(ids, created_at)
  local times, of_time, sorted = {}, {}, {}
  for _, id in ipairs(ids) do
    local created = created_at[id]
    if not of_time[created] then
      of_time[created] = {}
      times[#times + 1] = tonumber(created)
    end
    local same = of_time[created]
    same[#same + 1] = id
  end
  table.sort(times)
  for _, time in ipairs(times) do
    for _, id in ipairs(of_time[digits(time)]) do
      sorted[#sorted + 1] = id
    end
  end
  return sorted
end

local function fold_all()
  local found = call("LRANGE", prefix .. "i", 0, -1)
  if #found == 0 then
    return
  end
  -- First, since it frees memory.
  call("LTRIM", prefix .. "i", #found, -1)
  local ids, before, last, created_at, born, failed = {}, {}, {}, {}, {}, {}
  for i = 1, #found do
    local is_whole, from, to, created, id, at = pcall(words_of, NOTE, found[i])
    if is_whole then
      if not last[id] then
        before[id], created_at[id] = from, created
        ids[#ids + 1] = id
      end
      last[id] = to
      if from == "-" then
        created_at[id], born[id] = created, string.sub(found[i], at)
      elseif at <= #found[i] then
        failed[id] = string.sub(found[i], at)
      end
    end
  end
  local added, removed = {}, {}
  local function note(groups, index, id)
    local group = groups[index]
    if not group then
      group = {}
      groups[index] = group
      groups[#groups + 1] = index
    end
    local size = #group
    group[size + 1] = created_at[id]
    group[size + 2] = id
  end
  for _, id in ipairs(by_creation(ids, created_at)) do
    if born[id] then
      local type_, target, queue, at = words_of(OF_NEW, born[id])
      note(added, "y:" .. type_, id)
      note(added, "g:" .. target, id)
      note(added, "q:" .. queue, id)
      local parent = at > #born[id] and parent_of(id)
      if parent then
        note(added, "p:" .. parent, id)
      end
      local schedule = schedule_of(id)
      if schedule then
        note(added, "c:" .. schedule, id)
      end
    end
    if before[id] ~= last[id] then
      if before[id] ~= "-" then
        note(removed, "s:" .. before[id], id)
      end
      note(added, "s:" .. last[id], id)
      if failed[id] then
        note(added, "e:" .. failed[id], id)
      end
    end
  end
  -- What is no index is left as it is; `rhythm verify` tells of it.
  for _, index in ipairs(removed) do
    pcall(index_remove, index, removed[index])
  end
  for _, index in ipairs(added) do
    pcall(index_add, index, added[index])
  end
end
