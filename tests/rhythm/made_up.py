"""Histories made up as the engine would record them, for tests that need long ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import flowlang
from rhythm import events
from rhythm.engine.history import LiveMachine
from rhythm.events import Completed, Created, Decided
from rhythm.history.recording import Recording
from streams.codec import StoredEvent

BEGAN_MS = 1_700_000_000_000


def history_of_tasks(source: str, answers: Sequence[dict[str, Any]]) -> Recording:
    """The history of a workflow whose tasks end in the order in which it asks, with an `output`."""
    program = flowlang.compile(source, "made_up.flow")
    made: list[StoredEvent] = []

    def append(type_: str, payload: Any, plain: dict[str, str]) -> None:
        encoded = b"" if payload is None else events.encode(payload)
        at_ms = BEGAN_MS + 10 * len(made)
        made.append(StoredEvent(len(made) + 1, type_, at_ms, "made-up", encoded, plain))

    created = Created("workflow", "made_up", "default", events.raw({}), definition=program.digest)
    append("created", created, {})
    asked: deque[int] = deque()
    live = LiveMachine("exec_made_up", program, made[0])
    for answer in [*answers, None]:
        if live.undecided:
            append("decided", Decided(tuple(live.undecided)), {"u": str(live.upto)})
            asked += [c.n for c in live.undecided if isinstance(c, flowlang.RunTask)]
            live.advance(made[-1:])
        if answer is not None:
            append(
                "child_completed",
                Completed(events.raw(answer["output"])),
                {"n": str(asked.popleft())},
            )
            live.advance(made[-1:])
    if isinstance(live.outcome, flowlang.Completed):
        ended = Completed(events.raw(live.outcome.value))
        append("completed", ended, {"u": str(live.upto)})
    return Recording("exec_made_up", "made_up", "made_up.flow", source, tuple(made))
