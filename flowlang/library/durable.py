"""What a program asks of the world outside: `Task`, `Workflow`, `Timer`, `Signal`, `State` and
`Attributes`.

Every argument is checked here and turned into plain JSON, so that the machine's commands carry
nothing that could fail later. Options keep the words and values the program wrote.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any, Final, TypeAlias

from flowlang.durations import DURATION, UNITS_MS
from flowlang.library.border import export_value, import_value
from flowlang.library.date import MAX_TIME, parse_date
from flowlang.library.registry import charge_text, namespace, static
from flowlang.limits import charge_steps
from flowlang.machine import current
from flowlang.source import from_units, named
from flowlang.values import (
    UNDEFINED,
    JSArray,
    JSDate,
    JSObject,
    JSPromise,
    Value,
    get_member,
    number_to_string,
    own_keys,
    throw,
    typeof,
)

for _name in ("Task", "Workflow", "Timer", "Signal", "State", "Attributes"):
    namespace(_name)

MAX_KEY_LENGTH: Final = 128

ATTRIBUTE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
"""What an attribute may be called."""

ATTRIBUTES_MOST: Final = 16
"""That an execution has at a time: each has an entry in an index."""

ATTRIBUTE_TEXT: Final = 64
"""Characters that the text of an attribute may have."""

MAX_DURATION_MS: Final = 3_650 * UNITS_MS["d"]
"""Ten years: what waits longer is a mistake in the unit."""


@static("Task.run", 3)
def task_run(
    name: Value = UNDEFINED, inputs: Value = UNDEFINED, options: Value = UNDEFINED, *_: Value
) -> JSPromise:
    task = _name_of(name, "Task.run")
    plain = _inputs(inputs, f"the inputs of task {named(name)}")
    return current().run_task(task, plain, _options(options, "Task.run", TASK_OPTIONS))


@static("Workflow.run", 3)
def workflow_run(
    name: Value = UNDEFINED, inputs: Value = UNDEFINED, options: Value = UNDEFINED, *_: Value
) -> JSPromise:
    workflow = _name_of(name, "Workflow.run")
    plain = _inputs(inputs, f"the inputs of workflow {named(name)}")
    return current().run_workflow(workflow, plain, _options(options, "Workflow.run", RUN_OPTIONS))


@static("Workflow.start", 3)
def workflow_start(
    name: Value = UNDEFINED, inputs: Value = UNDEFINED, options: Value = UNDEFINED, *_: Value
) -> str:
    workflow = _name_of(name, "Workflow.start")
    plain = _inputs(inputs, f"the inputs of workflow {named(name)}")
    checked = _options(options, "Workflow.start", RUN_OPTIONS)
    return current().start_workflow(workflow, plain, checked)


@static("Workflow.restart", 1)
def workflow_restart(inputs: Value = UNDEFINED, options: Value = UNDEFINED, *_: Value) -> Value:
    plain = _inputs(inputs, "the inputs of Workflow.restart")
    checked = _options(options, "Workflow.restart", RESTART_OPTIONS)
    current().restart(plain, checked.get("definition", "latest"))


@static("Timer.delay", 1)
def timer_delay(duration: Value = UNDEFINED, *_: Value) -> JSPromise:
    machine = current()
    return machine.start_timer(machine.now_ms + duration_ms(duration, "Timer.delay"))


@static("Timer.until", 1)
def timer_until(when: Value = UNDEFINED, *_: Value) -> JSPromise:
    return current().start_timer(_moment_ms(when))


def _signal_when(name: Value = UNDEFINED, options: Value = UNDEFINED, *_: Value) -> JSPromise:
    signal = _name_of(name, "Signal.when")
    plain = _options(options, "Signal.when", SIGNAL_OPTIONS)
    timeout = plain.get("timeout")
    return current().wait_signal(signal, None if timeout is None else _plain_ms(timeout))


static("Signal.when", 2)(_signal_when)
static("Signal.next", 2)(_signal_when)


@static("Signal.send", 3)
def signal_send(
    execution: Value = UNDEFINED, name: Value = UNDEFINED, payload: Value = UNDEFINED, *_: Value
) -> JSPromise:
    execution_id = _name_of(execution, "Signal.send", "an execution id")
    signal = _name_of(name, "Signal.send", "the signal's name")
    plain = export_value(payload, f"the payload of signal {named(name)}")
    return current().send_signal(execution_id, signal, plain)


@static("State.set", 2)
def state_set(key: Value = UNDEFINED, value: Value = UNDEFINED, *_: Value) -> Value:
    name = _name_of(key, "State.set", "a key")
    current().set_state(name, export_value(value, f"the state {named(name)}"))
    return UNDEFINED


@static("State.get", 1)
def state_get(key: Value = UNDEFINED, *_: Value) -> Value:
    name = _name_of(key, "State.get", "a key")
    state = current().state
    return import_value(state[name]) if name in state else UNDEFINED


@static("Attributes.set", 2)
def attributes_set(key: Value = UNDEFINED, value: Value = UNDEFINED, *_: Value) -> Value:
    name = _name_of(key, "Attributes.set", "an attribute's name")
    _check_attribute(name, value, "to take it away")
    plain = None if value is UNDEFINED else export_value(value, f"attribute {named(name)}")
    machine = current()
    known = machine.attributes
    if plain is not None and name not in known and len(known) >= ATTRIBUTES_MOST:
        throw(
            "RangeError",
            f"attribute {named(name)} would be one more than the {ATTRIBUTES_MOST} that an "
            "execution may have: take another one away first, by setting it to null",
        )
    machine.set_attribute(name, plain)
    return UNDEFINED


def _check_attribute(name: str, value: Value, null: str) -> None:
    if not ATTRIBUTE.fullmatch(name):
        throw(
            "TypeError",
            f"{named(name[:80])} cannot be an attribute's name: 1 to 64 letters, digits and . _ - "
            "after a letter",
        )
    is_number = value.__class__ is float and math.isfinite(value)
    is_text = (
        value.__class__ is str
        and len(from_units(value[: 2 * ATTRIBUTE_TEXT + 1])) <= ATTRIBUTE_TEXT
    )
    if not (is_number or is_text or value.__class__ is bool or value is None or value is UNDEFINED):
        throw(
            "TypeError",
            f"attribute {named(name)} must be a text of at most {ATTRIBUTE_TEXT} characters, a "
            f"finite number, true or false; or null, {null}",
        )


def duration_ms(value: Value, what: str) -> int:
    """Whole milliseconds of seconds as a number, or of a text such as "500ms" or "5m"."""
    milliseconds = math.nan
    if value.__class__ is float:
        milliseconds = value * 1000
    elif value.__class__ is str and (found := DURATION.fullmatch(value)):
        milliseconds = float(found[1]) * UNITS_MS[found[2]]
    if not 0 <= milliseconds <= MAX_DURATION_MS:
        if value.__class__ is float:
            shown = number_to_string(value)
        else:
            shown = named(value) if value.__class__ is str else f"a {typeof(value)}"
        throw(
            "TypeError",
            f"{what} got {shown}: give seconds, or text such as '500ms', '30s', '5m', '24h', '7d'",
        )
    return math.ceil(milliseconds)


def _plain_ms(value: Any) -> int:
    return duration_ms(float(value) if isinstance(value, int) else value, "timeout")


def _moment_ms(when: Value) -> int:
    time = math.nan
    if isinstance(when, JSDate):
        time = when.time
    elif when.__class__ is float:
        time = when
    elif when.__class__ is str:
        time = parse_date(when)
    if not abs(time) <= MAX_TIME:
        throw("TypeError", "Timer.until needs a Date, an ISO text or milliseconds since 1970")
    return math.ceil(time)


def _name_of(value: Value, call: str, what: str = "a name") -> str:
    if value.__class__ is not str or not value:
        given = "an empty one" if value == "" else f"a {typeof(value)}"
        throw("TypeError", f"{call} needs {what}: a text that is not empty, not {given}")
    charge_text(len(value))
    return from_units(value)


def _inputs(value: Value, what: str) -> dict[str, Any]:
    if value is UNDEFINED:
        return {}
    if not isinstance(value, JSObject):
        found = "an array" if isinstance(value, JSArray) else f"a {typeof(value)}"
        throw("TypeError", f"{what} must be an object, not {'null' if value is None else found}")
    plain = export_value(value, what)
    if not isinstance(plain, dict):
        throw("TypeError", f"{what} must be an object, but toJSON made something else of it")
    return plain


def _options(options: Value, call: str, known: _Checks) -> dict[str, Any]:
    """The options as plain values; each must be known and of the right form."""
    if options is UNDEFINED:
        return {}
    if not isinstance(options, JSObject):
        throw("TypeError", f"the options of {call} must be an object")
    for key in own_keys(options):
        if key not in known:
            _refuse_key(key, known, f"an option of {call}")
        value = get_member(options, key)
        if value is not UNDEFINED:
            known[key](value, f"the option {key} of {call}")
    plain: dict[str, Any] = export_value(options, f"the options of {call}")
    return plain


def _check_text(value: Value, what: str) -> None:
    if value.__class__ is not str or not value:
        throw("TypeError", f"{what} must be a text")


def _check_number(value: Value, what: str, least: float = -math.inf) -> None:
    if value.__class__ is not float or not math.isfinite(value) or value < least:
        from_ = f" from {least:g}" if math.isfinite(least) else ""
        throw("TypeError", f"{what} must be a number{from_}")


def _check_priority(value: Value, what: str) -> None:
    if value.__class__ is not float or not 0 <= value <= 9 or value % 1:
        throw("TypeError", f"{what} must be a whole number from 0 to 9, the most urgent")


def _check_key(value: Value, what: str) -> None:
    is_whole = value.__class__ is float and value % 1 == 0
    if not is_whole and (value.__class__ is not str or not 1 <= len(value) <= MAX_KEY_LENGTH):
        throw("TypeError", f"{what} must be a whole number or a text of 1 to 128 characters")


def _check_attributes(value: Value, what: str) -> None:
    if not isinstance(value, JSObject):
        throw("TypeError", f"{what} must be an object of names and values")
    names = own_keys(value)
    charge_steps(len(names))
    there = 0
    for name in names:
        one = get_member(value, name)
        _check_attribute(from_units(name), one, "for none")
        there += one is not None and one is not UNDEFINED
    if there > ATTRIBUTES_MOST:
        throw("RangeError", f"{what} are {there}, and {ATTRIBUTES_MOST} are the most")


def _check_policy(value: Value, what: str) -> None:
    if value not in ("cancel", "abandon"):
        throw("TypeError", f"{what} must be 'cancel' or 'abandon'")


def _check_definition(value: Value, what: str) -> None:
    if value not in ("latest", "same"):
        throw("TypeError", f"{what} must be 'latest' or 'same'")


def _check_names(value: Value, what: str) -> None:
    is_array = isinstance(value, JSArray)
    charge_steps(len(value) if is_array else 0)
    if not is_array or any(name.__class__ is not str for name in value):
        throw("TypeError", f"{what} must be an array of error names")


def _check_retry(retry: Value, what: str) -> None:
    if not isinstance(retry, JSObject):
        throw("TypeError", f"{what} must be an object")
    for key in own_keys(retry):
        if key not in RETRY_FIELDS:
            _refuse_key(key, RETRY_FIELDS, f"a field of {what}")
        value = retry[key]
        if value is not UNDEFINED:
            RETRY_FIELDS[key](value, f"{key} in {what}")


def _refuse_key(key: str, known: _Checks, what: str) -> None:
    charge_steps(64)  # looking for a name alike is slow
    near = get_close_matches(key[:40], known, 1)
    hint = f" (did you mean '{near[0]}'?)" if near else f" (there are: {', '.join(known)})"
    throw("TypeError", f"{named(key)} is not {what}{hint}")


_Checks: TypeAlias = Mapping[str, Callable[[Value, str], object]]
"""The options that a call knows, each with what refuses a wrong value, naming it."""

TASK_OPTIONS: Final[_Checks] = {
    "queue": _check_text,
    "deadline": duration_ms,
    "heartbeat": duration_ms,
    "queueTimeout": duration_ms,
    "timeout": duration_ms,
    "priority": _check_priority,
    "key": _check_key,
    "retry": _check_retry,
}

RUN_OPTIONS: Final[_Checks] = {
    "queue": _check_text,
    "timeout": duration_ms,
    "id": _check_text,
    "onParentClose": _check_policy,
    "priority": _check_priority,
    "key": _check_key,
    "attributes": _check_attributes,
}

RESTART_OPTIONS: Final[_Checks] = {"definition": _check_definition}

SIGNAL_OPTIONS: Final[_Checks] = {"timeout": duration_ms}

DURATION_OPTIONS: Final = frozenset(
    name
    for options in (TASK_OPTIONS, RUN_OPTIONS, SIGNAL_OPTIONS)
    for name, check in options.items()
    if check is duration_ms
)

RETRY_FIELDS: Final[_Checks] = {
    "maxAttempts": partial(_check_number, least=1.0),
    "initialInterval": duration_ms,
    "backoff": partial(_check_number, least=0.0),
    "maxInterval": duration_ms,
    "jitter": partial(_check_number, least=0.0),
    "nonRetryable": _check_names,
}
