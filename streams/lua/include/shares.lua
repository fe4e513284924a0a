-- shares: with several partitions, each lets begin what its share of a limit allows. Included by limits.
--
-- A limit has a home, the partition that its name falls to. There, in the hash p:g:<limit>, stands what was granted to
-- each, never more than the limit allows in all: see grant_permits. A partition's own share stands in its hash p:s,
-- and is never more than what was granted to it: what is granted is written at the home first, what is given up here
-- first. A message that is lost leaves permits unused until the next one, and one that comes late or twice says
-- nothing new, by its number.
--
-- A share, by the limit's name: "most number down_to revision asked since": so much of it may be in use; the number
-- of the grant that it comes of; where others wait, down to how much it is to be given up as it comes free, below 0 without
-- delay, else "-"; the settings' revision known to who granted it; how much was asked for at last; when it was granted.
-- "#" is how many partitions there are; "!" the highest number of those that are forgotten. The sorted set p:a has the
-- limits of which something is to be said to their homes: whoever called the script that put them there does, if it is
-- told so, else the timekeeper.

local SHARE = "^(%d+) (%d+) (%S+) (%d+) (%d+) (%d+)$"

local SHARE_MS = {
  -- Who waits asks once more after a second, for what was lost on the way.
  asked_again = 1000,
  -- A share that nothing was done with is given up after a minute, so that keys that are gone leave nothing behind.
  idle = 60000,
  -- Where work waits for it what was granted is kept for so long though others wait, so that what is short is not sent
  -- around for every task. Where none does it goes back at once.
  turn = 250,
  -- What has room while a further limit has none is kept for longer: else of two that need both each might have one.
  -- All ask for theirs in one order, see limits_of, so nobody waits for ever for who waits for him; but what is held
  -- so is missing elsewhere, and a rate may open in hours: so it has an end, well beyond what permits are on their way.
  kept = 5000,
}

local shares = {}

-- How many partitions there are; false where there is one.
local function has_shares()
  if shares["#"] == nil then
    shares["#"] = tonumber(call("HGET", prefix .. "p:s", "#") or nil) or false
  end
  return shares["#"]
end

local function share_of(name)
  local share = shares[name]
  if not share then
    local most, number, down_to, revision, asked, since = string.match(call("HGET", prefix .. "p:s", name) or "", SHARE)
    share = {
      most = tonumber(most or 0), number = tonumber(number or call("HGET", prefix .. "p:s", "!") or 0),
      down_to = tonumber(down_to or nil), revision = tonumber(revision or 0), asked = tonumber(asked or 0),
      since = tonumber(since or 0), is_known = most ~= nil,
    }
    shares[name] = share
  end
  return share
end

local function is_in_turn(share, now)
  -- A clock that stepped back is not waited for.
  return share.down_to >= 0 and share.since <= now + SHARE_MS.kept and now < share.since + SHARE_MS.turn
end

-- Whether it is kept for work that waits at another limit.
local function is_kept(share, now)
  return is_in_turn(share, now) and share.since > now
end

-- Whether some of it is to go back, and nothing begins by that.
local function is_due_back(share, now)
  return share.down_to and share.most > share.down_to and not is_in_turn(share, now)
end

-- What changes shares.
local sharing = {}

function sharing.write(name, share)
  share.is_known = true
  call("HSET", prefix .. "p:s", name, digits(share.most) .. " " .. digits(share.number) .. " "
    .. (share.down_to and digits(share.down_to) or "-") .. " " .. digits(share.revision) .. " " .. digits(share.asked) .. " "
    .. digits(share.since))
end

-- How much of a limit is in use here: those that run, or that began within its time.
function sharing.used(name, now)
  local kind, key, scope = string.match(name, "^(%a)|([^|]*)|(.*)$")
  local counted = prefix .. "p:" .. name
  if kind == "c" then
    return call("ZCARD", counted)
  end
  local set = setting_of(scope)
  local since = now - (set and (key == "" and set.ms or set.kms) or 0)
  -- The latest stands first, and there may be many.
  local low, high = 0, call("LLEN", counted)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(call("LINDEX", counted, middle)) > since then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- The timekeeper looks at a share by then.
function sharing.look_by(name, due)
  local member = due_member("share", "", "", name)
  if call("ZADD", KEYS[1], "LT", "CH", digits(due), member) == 1 and call("ZRANGE", KEYS[1], 0, 0)[1] == member then
    ring("due")
  end
end

function sharing.tell_home(name, now)
  call("ZADD", prefix .. "p:a", "NX", now, name)
  any_shares, sharing.is_to_tell = true, true
end

-- Gives up what is not in use, down to `least`; whether that was something. The home is to hear of it.
function sharing.lower(name, share, least, now)
  local most = math.max(least, sharing.used(name, now))
  if most >= share.most then
    return false
  end
  share.most = most
  sharing.write(name, share)
  sharing.tell_home(name, now)
  return true
end

-- Work waits here for a limit. What was asked for and not given is asked for again by the clock alone.
function sharing.ask(name, now)
  if not has_shares() then
    return
  end
  local share, most, set = share_of(name), most_at(name)
  local is_satisfied = share.most >= share.asked and share.most < most
  if is_satisfied or (set and share.revision < set.revision) then
    share.asked = share.most + 1
    sharing.write(name, share)
    sharing.tell_home(name, now)
  end
  sharing.look_by(name, now + SHARE_MS.asked_again)
end

function sharing.use(name, now)
  local share = share_of(name)
  if share.since > now then
    share.since = now
    sharing.write(name, share)
  end
end
