-- register_definition: keep a workflow's source under its digest; a first one, or a deployed one, is the latest.
--
-- KEYS[1]  definition  hash: digest -> encoded source, "latest" -> digest
-- KEYS[2]  names       set of all workflows' names
-- ARGV[1]  name        the workflow's name
-- ARGV[2]  digest      of the source
-- ARGV[3]  source      encoded source
-- ARGV[4]  deploy      "1" moves the latest pointer even if this digest was known; "keep" never does
-- RETURNS  {"NEW" | "KNOWN", latest before or ""}; a new one becomes the latest, a known one only
--          when deployed

local before = redis.call("HGET", KEYS[1], "latest") or ""
local new = redis.call("HSETNX", KEYS[1], ARGV[2], ARGV[3]) == 1
if ARGV[4] == "keep" then
  return { new and "NEW" or "KNOWN", before }
end
redis.call("SADD", KEYS[2], ARGV[1])
if new or ARGV[4] == "1" then
  -- The source too: what is kept of it may be damaged.
  redis.call("HSET", KEYS[1], ARGV[2], ARGV[3], "latest", ARGV[2])
end
return { new and "NEW" or "KNOWN", before }
