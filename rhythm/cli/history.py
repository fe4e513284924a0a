"""`rhythm history`: everything that happened to one execution, in words."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import count, moment, print_json, print_table, short_json
from rhythm.cli.subject import Subject, subject
from rhythm.errors import UnreadableEvent
from rhythm.history import files
from rhythm.history.recording import Recording
from rhythm.models import HistoryEvent, from_unix_ms

# Inputs and outputs are there to recognise an event by; `--json` has all of them.
_VALUE_WIDTH = 60


@click.command("history")
@subject
@click.option(
    "--record", metavar="FILE", help="Write it to a file instead, to be replayed by tests."
)
@command
async def history(place: Place, subject: Subject, record: str | None) -> None:
    """Show everything that happened to an execution.

    ID is an execution; FILE is what `rhythm export` or `rhythm history --record` wrote.

    One that is damaged is shown, or recorded, up to where it is, and then says so.

    A number in brackets names a task, child workflow or timer within its workflow; LINE is the
    line of the .flow file that asked for it.
    """
    damage: UnreadableEvent | None
    if record is not None:
        recording = await _recording(place, subject)
        files.write(recording, record)
        damage = recording.damage
    else:
        events, damage = await _readable(place, subject)
        if place.as_json:
            print_json(events)
        else:
            _show(subject.id, events)
    if damage is not None:
        raise damage


async def _recording(place: Place, subject: Subject) -> Recording:
    if subject.bundle is not None:
        return subject.bundle.recording(subject.id)
    async with place.open() as app:
        return await app.history_service.record_to_damage(subject.id)


async def _readable(
    place: Place, subject: Subject
) -> tuple[list[HistoryEvent], UnreadableEvent | None]:
    """The events up to where they are damaged, and what is wrong there."""
    if subject.bundle is not None:
        return subject.bundle.events(subject.id), subject.bundle.damage.get(subject.id)
    async with place.open() as app:
        try:
            return await app.history_service.events(subject.id), None
        except UnreadableEvent as damage:
            if damage.version == 1:
                raise
            return await app.history_service.events(subject.id, damage.version - 1), damage


def _show(execution_id: str, events: list[HistoryEvent]) -> None:
    print_table(["#", "TIME (UTC)", "WHAT HAPPENED", "LINE", "BY"], list(_rows(events)))
    children = f"; of [n] see rhythm history {execution_id}/n" if _names(events) else ""
    click.echo(f"{count(len(events), 'event')}{children}")


class _Happening(NamedTuple):
    what: str
    line: int | None = None


def _rows(events: list[HistoryEvent]) -> Iterator[list[str]]:
    names = _names(events)
    for event in events:
        by = [] if event.worker is None else [event.worker]
        if event.attempt is not None:
            by.append(f"attempt {event.attempt}")
        front = [str(event.version), moment(event.at)]
        for happening in _happenings(event, names):
            line = happening.line if happening.line is not None else event.line
            yield [*front, happening.what, "" if line is None else str(line), ", ".join(by)]
            # A decision has several lines; its number and time stand before the first.
            front, by = ["", ""], []


def _names(events: list[HistoryEvent]) -> dict[int, str]:
    """What each numbered command of the workflow is, as in `task measure [3]`."""
    names: dict[int, str] = {}
    for event in events:
        for asked in event.data.get("commands", ()):
            number = asked.get("n")
            if asked["type"] == "run_task":
                names[number] = f"task {asked['name']} [{number}]"
            elif asked["type"] == "run_workflow":
                names[number] = f"workflow {asked['name']} [{number}]"
            elif asked["type"] == "start_timer":
                names[number] = f"timer [{number}]"
            elif asked["type"] == "send_signal":
                names[number] = f"signal {asked['name']} [{number}] to {asked['execution_id']}"
    return names


def _happenings(event: HistoryEvent, names: Mapping[int, str]) -> list[_Happening]:
    """The event in words; several for a decision with several commands."""
    data = event.data
    child = "" if event.child is None else names.get(event.child, f"[{event.child}]")
    match event.type:
        case "created":
            return [_Happening(_created(data))]
        case "postponed":
            inputs = short_json(data.get("inputs"), _VALUE_WIDTH)
            return [_Happening(f"started again with {inputs}: to begin at {_due(data)}")]
        case "started":
            return [_Happening("a worker began it")]
        case "attempt_failed":
            due = f", next at {_due(data)}" if data.get("due_ms") is not None else ""
            return [_Happening(f"attempt failed: {_error(data)}{due}")]
        case "released":
            due = f", next at {_due(data)}" if data.get("due_ms") is not None else ""
            return [_Happening(f"given back unrun: {data.get('reason')}{due}")]
        case "completed":
            return [_Happening(f"completed: {short_json(data.get('output'), _VALUE_WIDTH)}")]
        case "failed":
            return [_Happening(f"failed: {_error(data)}", _error_line(data))]
        case "restarted":
            inputs = short_json(data.get("inputs"), _VALUE_WIDTH)
            return [_Happening(f"restarted as {data.get('successor')} with {inputs}")]
        case "cancelled":
            return [_Happening(f"cancelled{_reason(data)}")]
        case "child_completed":
            output = short_json(data.get("output"), _VALUE_WIDTH)
            return [_Happening(f"{child} completed: {output}")]
        case "child_failed":
            return [_Happening(f"{child} failed: {_error(data)}")]
        case "child_cancelled":
            return [_Happening(f"{child} was cancelled{_reason(data)}")]
        case "timer_fired":
            return [_Happening(f"{child} fired")]
        case "signal_received":
            payload = short_json(data.get("payload"), _VALUE_WIDTH)
            return [_Happening(f"signal {data.get('name')} arrived: {payload}")]
        case "cancel_requested":
            return [_Happening(f"asked to end{_reason(data)}")]
        case "forked":
            return list(_forked(data, names))
        case "migrated":
            by = ", by its place in the source" if data.get("mapping") else ""
            return [_Happening(f"goes on with definition {data['definition']}{by}")]
        case "decided":
            return [_command(asked, names) for asked in data.get("commands", ())]
        case _:
            return [_Happening(f"{event.type}: {short_json(data, _VALUE_WIDTH)}")]


def _created(data: Mapping[str, Any]) -> str:
    inputs = short_json(data.get("inputs"), _VALUE_WIDTH)
    later = ""
    if (due_ms := data.get("run_at_ms", data.get("due_ms"))) is not None:
        later = f", to start at {moment(from_unix_ms(due_ms))}"
    again = f", going on from {data['restarted_from']}" if data.get("restarted_from") else ""
    return (
        f"{data.get('type')} {data.get('target')} created in queue {data.get('queue')} "
        f"with {inputs}{later}{again}"
    )


def _forked(data: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[_Happening]:
    origin = data["origin"]
    yield _Happening(
        f"forked: up to here it is {origin['execution_id']} to event {origin['version']}"
    )
    for edit in data.get("edits", ()):
        yield _Happening(f"edited: {edit['path']} = {short_json(edit['value'], _VALUE_WIDTH)}")
    for asked in data.get("again", ()):
        yield _Happening(f"{names.get(asked['n'], asked['type'])} is to be asked for once more")


def _command(asked: Mapping[str, Any], names: Mapping[int, str]) -> _Happening:
    number, line = asked.get("n"), asked.get("line") or None
    match asked["type"]:
        case "run_task":
            inputs = short_json(asked.get("inputs"), _VALUE_WIDTH)
            return _Happening(f"asks for task {asked['name']} [{number}] with {inputs}", line)
        case "run_workflow":
            verb = "asks for" if asked.get("wait", True) else "starts"
            inputs = short_json(asked.get("inputs"), _VALUE_WIDTH)
            return _Happening(f"{verb} workflow {asked['name']} [{number}] with {inputs}", line)
        case "start_timer":
            due = moment(from_unix_ms(asked["due_ms"]))
            return _Happening(f"sets timer [{number}] to {due}", line)
        case "cancel_timer":
            return _Happening(f"drops timer [{number}]", line)
        case "cancel_child":
            return _Happening(f"asks {names.get(asked['n'], f'[{number}]')} to end", line)
        case "send_signal":
            return _Happening(f"sends signal {asked['name']} to {asked['execution_id']}", line)
        case "set_state":
            return _Happening(
                f"shows {asked['key']} = {short_json(asked['value'], _VALUE_WIDTH)}", line
            )
        case "set_attribute":
            value = short_json(asked["value"], _VALUE_WIDTH)
            return _Happening(f"is found by {asked['key']} = {value}", line)
        case "log":
            return _Happening(f"logs ({asked['level']}): {asked['text']}", line)
        case kind:
            return _Happening(f"{kind}: {short_json(asked, _VALUE_WIDTH)}", line)


def _error(data: Mapping[str, Any]) -> str:
    error = data.get("error") or {}
    return f"{error.get('name')}: {error.get('message', '')}"


def _error_line(data: Mapping[str, Any]) -> int | None:
    line: int | None = (data.get("error") or {}).get("line")
    return line


def _reason(data: Mapping[str, Any]) -> str:
    return f": {data['reason']}" if data.get("reason") else ""


def _due(data: Mapping[str, Any]) -> str:
    return moment(from_unix_ms(data["due_ms"]))
