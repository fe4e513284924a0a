-- lanes: claim from a queue whose work waits in lanes, by priority and key. Included by step, after claim_from.

-- One turn in so many is that of the lane that has waited longest, however little urgent: nothing waits for ever.
local OLDEST_TURN = 10
-- Turns that one call takes at most in a queue: a lane may hold but what has ended since.
local TURNS_AT_ONCE = 256

local function longest_waiting(in_turn)
  local longest, least
  for first = 0, 9 do
    local from, upto = digits(first * TURNS), "(" .. digits((first + 1) * TURNS)
    local found = call("ZRANGEBYSCORE", in_turn, from, upto, "WITHSCORES", "LIMIT", 0, 1)
    local since = found[1] and tonumber(found[2]) - first * TURNS
    if since and (not least or since < least) then
      longest, least = found[1], since
    end
  end
  return longest
end

-- Claims one piece of work a turn; false if the queue never had lanes.
local function claim_in_turn(queue)
  -- Beside the queue's name, which has no blank in it.
  local counted = queue .. " turns"
  local known = call("HMGET", prefix .. "g", queue, counted)
  if not known[1] then
    return false
  end
  may_have_lanes[queue] = true
  local in_turn, turn, taken_turns = prefix .. "g:" .. queue, tonumber(known[2] or 0), 0
  if call("EXISTS", lane_list(USUAL_LANE, queue)) == 1 and not call("ZSCORE", in_turn, USUAL_LANE) then
    line_up(USUAL_LANE, queue)
  end
  while room > 0 and bytes < CLAIM_BYTES and taken_turns < TURNS_AT_ONCE do
    taken_turns = taken_turns + 1
    local is_oldest = (turn + taken_turns) % OLDEST_TURN == 0
    local lane = is_oldest and longest_waiting(in_turn) or call("ZRANGE", in_turn, 0, 0)[1]
    if not lane then
      break
    end
    local list, names = lane_list(lane, queue), has_limits and limits_of_lane(lane, queue) or {}
    local full, opens = full_one(names)
    if full then
      wait_at(full, opens, lane, queue)
      keep_shares(names, full, now)
    else
      claim_from(list, queue, 1)
      write_pushed()
      if call("EXISTS", list) == 1 then
        line_up(lane, queue)
      else
        call("ZREM", in_turn, lane)
      end
    end
    for _, name in ipairs(names) do
      -- If it was let go on here and did not, or there is room for more, another lane may.
      if name ~= full then
        look_at_limit(name, now)
      end
    end
  end
  if taken_turns > 0 then
    call("HINCRBY", prefix .. "g", counted, taken_turns)
  end
  return true
end
