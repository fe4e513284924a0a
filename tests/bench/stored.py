"""Finished executions by the hundred thousand, for what must not depend on how many are stored.

Copied inside the server from one that the engine ran: running them all would take minutes.
"""

from __future__ import annotations

from streams.keys import PartitionKeys
from streams.scripts import compose
from tests.bench.ground import Ground

_AT_ONCE = 500

# ARGV: id to copy, first number, last number. Ids of copies end with their number; they were
# created a millisecond apart, before the one that is copied.
_COPY = """
--@include transition

local id = ARGV[1]
local first, last = tonumber(ARGV[2]), tonumber(ARGV[3])
local facts = {}
local flat = redis.call("HGETALL", prefix .. "x:" .. id)
for i = 1, #flat, 2 do
  facts[flat[i]] = flat[i + 1]
end
local events = redis.call("DUMP", prefix .. "e:" .. id)
local projection = redis.call("DUMP", prefix .. "x:" .. id)
for n = last, first, -1 do
  local copy = string.format("exec_copy%012d", n)
  local created = string.format("%.0f", facts.cr - n)
  redis.call("RESTORE", prefix .. "e:" .. copy, 0, events)
  redis.call("RESTORE", prefix .. "x:" .. copy, 0, projection)
  redis.call("HSET", prefix .. "x:" .. copy, "cr", created)
  for _, index in ipairs({
    "s:" .. facts.st, "g:" .. facts.tg, "q:" .. facts.q, "y:" .. facts.ty,
  }) do
    index_add(index, { created, copy })
  end
end
"""


def store(ground: Ground, keys: PartitionKeys, finished_id: str, count: int) -> None:
    """Store `count` copies of a finished root execution."""
    with ground.client() as client:
        copy = client.register_script(compose("copy", _COPY).source)
        # The oldest first, as they would have come.
        for first in reversed(range(0, count, _AT_ONCE)):
            last = min(first + _AT_ONCE, count) - 1
            copy(keys=[keys.due], args=[finished_id, first, last])
