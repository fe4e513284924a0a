-- hand_over: a worker that is busy leaves what waits at its door to whoever serves its queue.
--
-- KEYS[1]  due     sorted set; gives the partition's prefix
-- KEYS[2]  door    list of activations whose machines the worker holds
-- ARGV[1]  worker  incarnation
-- ARGV[2]  most    how much at most
-- RETURNS  how much was moved

--@include transition

return commit(hand_over(ARGV[1], tonumber(ARGV[2])))
