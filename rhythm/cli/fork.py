"""`rhythm fork`: another execution that shares the history of one up to an event; or tries it."""

import json
import sys
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any

import click

from flowlang import protocol
from rhythm.cli.connect import Place, command
from rhythm.cli.exits import Exit
from rhythm.cli.parameters import KeyValue, json_or_text, read_source
from rhythm.cli.show import moment, print_json
from rhythm.cli.subject import Subject
from rhythm.history.rehearsal import MOST_EVENTS, Answer, Asked, Rehearsal, Step
from rhythm.models import from_unix_ms


@click.command("fork")
@click.argument("given", metavar="ID|FILE")
@click.option(
    "--at",
    type=click.IntRange(min=1),
    metavar="EVENT",
    help="The last event to share, by its number in rhythm history; "
    "left out, the last good decision.",
)
@click.option(
    "--set",
    "edits",
    type=KeyValue(),
    multiple=True,
    metavar="PATH=JSON",
    help="Another value for a variable, as order.items[0].price=3; VALUE is read as JSON, else "
    "taken as text. Repeat for more.",
)
@click.option("--source", metavar="FLOW", help="Go on with another script, which decides alike.")
@click.option(
    "--id",
    "chosen",
    metavar="ID",
    help="The fork's id; left out, ID.fork.… Of a FILE: which execution of it, not its root.",
)
@click.option("--rerun", is_flag=True, help="Run again also what has completed since that event.")
@click.option(
    "--signals/--no-signals",
    default=None,
    help="Whether signals that came later come to the fork too; left out, if --at is.",
)
@click.option(
    "--dry",
    is_flag=True,
    help="Only try it out: nothing is written and no task runs. Exit code 1 if it would not "
    "complete.",
)
@click.option(
    "--stub",
    "stubs",
    type=KeyValue(),
    multiple=True,
    metavar="NAME=JSON",
    help="With --dry: what a task or child workflow gives. Repeat for more; of several for a name "
    "each call takes the next, and the last one serves all that follow.",
)
@click.option(
    "--stubs",
    "stub_file",
    metavar="FILE",
    help="With --dry: a JSON file with an object of such answers by name.",
)
@click.option(
    "--fail",
    "failures",
    type=KeyValue(),
    multiple=True,
    metavar="NAME=MESSAGE",
    help="With --dry: a task or child workflow that fails instead.",
)
@click.option(
    "--signal",
    "payloads",
    type=KeyValue(),
    multiple=True,
    metavar="NAME=JSON",
    help="With --dry: a signal that comes when the script waits for it.",
)
@click.option(
    "--ask/--no-ask",
    default=None,
    help="With --dry: whether to ask you for what is not answered; left out, if this is a terminal "
    "and --json is not given.",
)
@command
async def fork(
    place: Place,
    given: str,
    at: int | None,
    edits: tuple[tuple[str, Any], ...],
    source: str | None,
    chosen: str | None,
    rerun: bool,
    signals: bool | None,
    dry: bool,
    stubs: tuple[tuple[str, Any], ...],
    stub_file: str | None,
    failures: tuple[tuple[str, Any], ...],
    payloads: tuple[tuple[str, Any], ...],
    ask: bool | None,
) -> None:
    """Start an execution that shares a history up to an event.

    It goes on from there by itself: with another value for a variable, another script, or just to
    try again what failed. The execution ID stays as it is. What it had asked for by then and was
    not answered: results that have come since count, failed child workflows are forked too, and
    the rest is asked for once more. Prints the fork's id.

    With --dry it is rehearsed instead, on a clock that does not wait: tasks and child workflows are
    answered by what the history says of the same calls, then by --stub and --fail, then by you, if
    this is a terminal; what is left unanswered is what it would wait for. FILE, for a rehearsal, is
    what `rhythm export --with-values` or `rhythm history --record` wrote, and needs no Redis.
    """
    text = None if source is None else read_source(source)
    in_file = Subject.is_file(given)
    if not dry and (stubs or stub_file or failures or payloads or ask is not None):
        raise click.UsageError(
            "--stub, --stubs, --fail, --signal and --ask are for a rehearsal: add --dry"
        )
    if not dry and in_file:
        raise click.UsageError(f"{given!r} is a file, which can only be rehearsed: add --dry")
    if dry:
        if chosen is not None and not in_file:
            raise click.UsageError("--id is for a fork that is made, and --dry makes none")
        answers = _Answers(
            [*_read_stubs(stub_file), *stubs],
            failures,
            payloads,
            asks=sys.stdin.isatty() and not place.as_json if ask is None else ask,
        )
        wanted: dict[str, Any] = {
            "edits": dict(edits),
            "source": text,
            "path": source or "workflow.flow",
            "results": not rerun,
            "signals": signals,
            "answers": answers,
        }
        subject = Subject(given, chosen)
        if subject.bundle is not None:
            rehearsal = subject.bundle.rehearse(at, subject.id, **wanted)
        else:
            async with place.open() as app:
                rehearsal = await app.history_service.rehearse(given, at, **wanted)
        _show(rehearsal, place.as_json)
        return
    async with place.open() as app:
        forked = await app.history_service.fork(
            given,
            at,
            id=chosen,
            edits=dict(edits),
            source=text,
            path=source or "workflow.flow",
            results=not rerun,
            signals=signals,
        )
    if place.as_json:
        print_json({"id": forked})
    else:
        click.echo(forked)


class _Answers:
    """Stubs by name, then a person."""

    def __init__(
        self,
        stubs: Iterable[tuple[str, Any]],
        failures: Iterable[tuple[str, Any]],
        signals: Iterable[tuple[str, Any]],
        *,
        asks: bool,
    ) -> None:
        self._stubs = defaultdict[str, deque[Answer]](deque)
        self._signals = defaultdict[str, deque[Answer]](deque)
        self._asks = asks
        for name, value in stubs:
            self._stubs[name].append(Answer(value))
        for name, message in failures:
            self._stubs[name].append(Answer(error=_error(str(message))))
        for name, payload in signals:
            self._signals[name].append(Answer(payload))

    def __call__(self, asked: Asked) -> Answer | None:
        if asked.kind == "signal":
            if waiting := self._signals[asked.name]:
                return waiting.popleft()
        elif ready := self._stubs[asked.name]:
            return ready.popleft() if len(ready) > 1 else ready[0]
        return self._asked(asked) if self._asks else None

    def _asked(self, asked: Asked) -> Answer | None:
        inputs = "" if asked.kind == "signal" else f" {json.dumps(asked.inputs)}"
        click.echo(
            f"line {asked.line}: {asked.kind} {asked.name}{inputs}\n"
            "  JSON, !MESSAGE to let it fail, or nothing to leave it",
            err=True,
        )
        text = click.prompt("  answer", default="", show_default=False, err=True)
        if not text:
            return None
        if text.startswith("!") and asked.kind != "signal":
            return Answer(error=_error(text[1:]))
        return Answer(json_or_text(text))


def _error(message: str) -> protocol.ErrorInfo:
    return protocol.ErrorInfo("Error", message, "task_failed")


def _read_stubs(path: str | None) -> Iterable[tuple[str, Any]]:
    if path is None:
        return ()
    try:
        stubs = json.loads(read_source(path))
    except ValueError as error:
        raise click.UsageError(f"{path} is no JSON: {error}") from error
    if not isinstance(stubs, dict):
        raise click.UsageError(f"{path} holds no JSON object of answers by name")
    return stubs.items()


def _show(rehearsal: Rehearsal, as_json: bool) -> None:
    if as_json:
        print_json(rehearsal)
    else:
        for step in rehearsal.steps:
            line = f"line {step.line}" if step.line else ""
            click.echo(f"{moment(from_unix_ms(step.at_ms))}  {line:<9} {_told(step)}")
        click.echo(_end(rehearsal))
    if not isinstance(rehearsal.outcome, protocol.Completed | protocol.Restarted):
        raise click.exceptions.Exit(Exit.FAILED)


def _told(step: Step) -> str:
    value = json.dumps(step.value)
    match step.kind:
        case "timer":
            return f"timer until {moment(from_unix_ms(step.value))}"
        case "console":
            return f"console ({step.name}): {step.value}"
        case "state":
            return f"State {step.name} = {value}"
        case "signal":
            return f"signal {step.name} came: {value}"
        case "sent":
            return f"sends signal {step.name} {value}"
    answer = "left unanswered"
    if step.answer is not None and step.answer.error is not None:
        answer = f"fails: {step.answer.error.message}"
    elif step.answer is not None:
        answer = json.dumps(step.answer.value)
    by = "" if step.event is None else f" (event {step.event})"
    return f"{step.kind} {step.name} {value} -> {answer}{by}"


def _end(rehearsal: Rehearsal) -> str:
    match rehearsal.outcome:
        case protocol.Completed():
            return f"it would complete: {json.dumps(rehearsal.outcome.value)}"
        case protocol.Failed():
            error = rehearsal.outcome.error
            at = f" (line {error.line})" if error.line else ""
            return f"it would fail: {error.name}: {error.message}{at}"
        case protocol.Restarted():
            return f"it would restart with {json.dumps(rehearsal.outcome.inputs)}"
    if rehearsal.is_endless:
        return f"it goes on after {MOST_EVENTS:,} events"
    return "it would wait for " + "; ".join(rehearsal.waits or ("nothing that will come",))
