-- deletion: remove executions that have ended, with all that is kept of them. Included after transition.

local function delete_one(id)
  local facts = call("HMGET", prefix .. "x:" .. id, "st", "tg", "q", "ty", "p", "sc", "ab")
  call("ZREM", prefix .. "i:all", id)
  for i, index in ipairs({ "s", "g", "q", "y", "p", "c" }) do
    if facts[i] then
      call("ZREM", prefix .. "i:" .. index .. ":" .. facts[i], id)
    end
  end
  if facts[7] then
    take_attributes(id)
  end
  call("HDEL", prefix .. "z", id)
  if string.find(id, "~%d+$") and newest_run(id) == id then
    call("DEL", prefix .. "n:" .. chain_of(id))
  end
  -- Among its children may stand what it started in other trees, which lives on.
  call("DEL", prefix .. "e:" .. id, prefix .. "x:" .. id, prefix .. "s:" .. id, prefix .. "r:" .. id,
    prefix .. "c:" .. id)
end

-- Deletes from the leaves up, at most so many; returns whether the root is gone.
local function delete_tree(root, units)
  while units > 0 do
    local id = root
    while true do
      local child = call("ZRANGE", prefix .. "i:p:" .. id, 0, 0)[1]
      if not child then
        break
      end
      id = child
    end
    delete_one(id)
    units = units - 1
    if id == root then
      return true
    end
  end
  return false
end
