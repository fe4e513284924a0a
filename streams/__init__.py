"""A durable store of event streams on Redis.

It appends events, hands out ready work, keeps what becomes due and answers queries, each change in
one Lua script. Payloads are opaque bytes to it: it never looks inside a workflow.
"""
