-- deletion: remove executions that have ended, with all that is kept of them. Included after transition.

-- created: as an index says; the projection may be gone.
local function delete_one(id, created)
  local facts = call("HMGET", prefix .. "x:" .. id, "st", "tg", "q", "ty", "sc", "er", "cr", "ab")
  local parent = parent_of(id)
  created = created or facts[7]
  if created then
    for i, index in ipairs({ "s", "g", "q", "y", "c", "e" }) do
      if facts[i] then
        index_remove(index .. ":" .. facts[i], { created, id })
      end
    end
    if parent then
      index_remove("p:" .. parent, { created, id })
    end
    if facts[8] then
      take_attributes(id, created)
    end
  end
  call("HDEL", prefix .. "z", id)
  if string.find(id, "~%d+$") and newest_run(id) == id then
    call("DEL", prefix .. "n:" .. chain_of(id))
  end
  -- Among its children may stand what it started in other trees, which lives on.
  call("DEL", prefix .. "e:" .. id, prefix .. "x:" .. id, prefix .. "s:" .. id, prefix .. "r:" .. id,
    prefix .. "c:" .. id, prefix .. "k+:" .. id)
end

-- Deletes from the leaves up, at most so many; returns whether the root is gone.
local function delete_tree(root, units)
  while units > 0 do
    local id, created = root, nil
    while true do
      local child = index_read("p:" .. id, "-inf", "+inf", "", 1, true)
      if not child[1] then
        break
      end
      id, created = child[1], child[2]
    end
    delete_one(id, created)
    units = units - 1
    if id == root then
      return true
    end
  end
  return false
end
