-- forget_index_entry: take an id that has no events out of the indexes that hold every execution.
--
-- KEYS[1]  due         sorted set; gives the partition's prefix
-- KEYS[2]  events      stream of the execution
-- KEYS[3]  projection  hash of the execution
-- ARGV[1]  id          the execution's id
-- ARGV[2]  created     unix ms, as an index by type says
-- RETURNS  "OK" | "THERE" it has events; writes nothing

--@include transition
--@include deletion

if call("EXISTS", KEYS[2]) == 1 then
  return "THERE"
end
fold_all()
for _, type_ in ipairs({ "workflow", "task" }) do
  index_remove("y:" .. type_, { ARGV[2], ARGV[1] })
end
for _, status in ipairs({ "pending", "suspended", "completed", "failed", "cancelled", "restarted" }) do
  index_remove("s:" .. status, { ARGV[2], ARGV[1] })
end
delete_one(ARGV[1], ARGV[2])
return "OK"
