-- attributes: by which an execution is found beside what it is. Included by transition.

-- Attributes by which an execution is found: lines of a name, "=", and the value as JSON, or nothing to take it away.
-- In the projection each is a field, "@" and its name, and in an index of its own; ab tells that there are some.
local function set_attributes(id, created, lines)
  local facts = prefix .. "x:" .. id
  for key, value in string.gmatch(lines, "([^=\n]+)=([^\n]*)") do
    local before = call("HGET", facts, "@" .. key)
    if before and before ~= value then
      index_remove("a:" .. key .. "=" .. before, { created, id })
      call("HDEL", facts, "@" .. key)
    end
    if value ~= "" and before ~= value then
      call("HSET", facts, "ab", 1, "@" .. key, value)
      index_add("a:" .. key .. "=" .. value, { created, id })
    end
  end
  local left = false
  for _, name in ipairs(call("HKEYS", facts)) do
    left = left or string.sub(name, 1, 1) == "@"
  end
  if not left then
    call("HDEL", facts, "ab")
  end
end

local function each_attribute(id, work)
  -- What is no projection has none; `rhythm verify` tells of it.
  local facts = redis.pcall("HGETALL", prefix .. "x:" .. id)
  for i = 1, facts.err and 0 or #facts, 2 do
    if string.sub(facts[i], 1, 1) == "@" then
      work(string.sub(facts[i], 2), facts[i + 1])
    end
  end
end

-- An execution is found by none of its attributes any more.
local function take_attributes(id, created)
  each_attribute(id, function(key, value)
    index_remove("a:" .. key .. "=" .. value, { created, id })
  end)
end

-- The attributes of an execution, as such lines; "" for none.
local function attributes_of(id)
  local lines = {}
  if call("HEXISTS", prefix .. "x:" .. id, "ab") == 1 then
    each_attribute(id, function(key, value)
      lines[#lines + 1] = key .. "=" .. value
    end)
  end
  return table.concat(lines, "\n")
end
