"""A machine between two events <-> bytes.

The state is a table of nodes, each the fields of one object with references to others, so what is
shared stays shared and cycles survive. Code is named by where it stands in the source, a suspended
function by the ordinal of the `await` it waits at, library functions by their registered names. A
restored machine cannot be told from one that never stopped.

A snapshot only saves time. One of another format, lowering or program, or with a bit that is not as
it was written, is refused, and its reader feeds the events again. So the bytes begin with a head:
format and lowering version (16 bits each, big-endian), CRC-32 of all that comes behind it, and the
program's digest (16 bytes). The state follows in MessagePack.

Within a node a float, boolean, None or ASCII string is itself, other strings are bytes (UTF-8 with
surrogates), an int is a reference (negative: undefined, a hole, an uninitialised variable) and a
list of one int is a plain int.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from math import nan
from typing import Any, Final

import msgspec

from flowlang.errors import FlowError
from flowlang.library import NAMESPACES, REGISTRY
from flowlang.limits import Limits
from flowlang.machine import Frame, Machine
from flowlang.program import LOWERING_VERSION, FunctionCode, Program
from flowlang.runtime import bind_function
from flowlang.values import (
    HOLE,
    STATE_CLASSES,
    TDZ,
    UNDEFINED,
    Builtin,
    ExoticArray,
    JSArray,
    JSError,
    JSFunction,
    JSObject,
    JSPromise,
    Namespace,
    RestrictedObject,
)

FORMAT_VERSION: Final = 3
"""Raised when what the bytes mean changes."""

_HEAD: Final = struct.Struct(">HHI16s")
_SUMMED_FROM: Final = 8
"""Where in a snapshot that begins which the checksum is taken of."""

_MARKERS: Final[dict[int, Any]] = {-1: UNDEFINED, -2: HOLE, -3: TDZ}
_MARKER_NUMBERS: Final = {id(marker): number for number, marker in _MARKERS.items()}


class SnapshotUnusable(FlowError):
    """A snapshot was taken of something else, or by a release that keeps state differently.

    Feed the events again instead.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the snapshot cannot be used: {self.reason}; replay the events instead"


class StateTooLarge(FlowError):
    """A machine's encoded state is larger than its limits allow."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size, self.limit = size, limit

    def __str__(self) -> str:
        return f"the state takes {self.size:,} bytes, and {self.limit:,} are allowed"


class _State(msgspec.Struct, array_like=True, frozen=True):
    """What stands behind the head; `roots` and `nodes` are in the form the module describes."""

    now_ms: int
    random_state: int
    numbered: int
    state: dict[str, Any]
    request_numbers: list[int]
    roots: list[Any]
    nodes: list[list[Any]]


def encode(machine: Machine) -> bytes:
    """The whole state of a machine that has no outcome yet.

    Raises:
        StateTooLarge: it is larger than the machine's limits allow.
    """
    writer = _Writer(machine)
    numbers = list(machine.requests)
    references = writer.references(_roots(machine))
    state = msgspec.msgpack.encode(
        _State(
            machine.now_ms,
            machine.random_state,
            machine.numbered,
            machine.state,
            numbers,
            references,
            writer.nodes(),
        )
    )
    digest = bytes.fromhex(machine.program.digest)
    checksum = zlib.crc32(state, zlib.crc32(digest))
    data = _HEAD.pack(FORMAT_VERSION, LOWERING_VERSION, checksum, digest) + state
    if len(data) > machine.limits.state:
        raise StateTooLarge(len(data), machine.limits.state)
    return data


def decode(
    program: Program, data: bytes, context: dict[str, Any], limits: Limits | None = None
) -> Machine:
    """The machine that `encode` wrote.

    Args:
        context: the facts for `Context`, as the machine was given them.

    Raises:
        SnapshotUnusable: it is of another format, lowering or program, or damaged.
    """
    _check_head(program, data)
    try:
        state = msgspec.msgpack.decode(memoryview(data)[_HEAD.size :], type=_State)
        machine = Machine(
            program, {}, context, state.random_state, state.now_ms, limits or Limits()
        )
        _fill(machine, state)
    except Exception as error:  # as written, but by code that took the same versions for others
        reason = f"it makes no machine ({type(error).__name__}: {error})"
        raise SnapshotUnusable(reason) from error
    return machine


def _check_head(program: Program, data: bytes) -> None:
    """Refuse what was not written for this program by code that keeps state alike."""
    if len(data) < _HEAD.size:
        raise SnapshotUnusable(f"it breaks off after {len(data)} bytes")
    version, lowering, checksum, digest = _HEAD.unpack_from(data)
    if (version, lowering) != (FORMAT_VERSION, LOWERING_VERSION):
        raise SnapshotUnusable(
            f"it is of format {version} and lowering {lowering}, "
            f"this release reads {FORMAT_VERSION} and {LOWERING_VERSION}"
        )
    if zlib.crc32(memoryview(data)[_SUMMED_FROM:]) != checksum:
        raise SnapshotUnusable("it is damaged")
    if digest.hex() != program.digest:
        raise SnapshotUnusable(f"it is of program {digest.hex()}, not {program.digest}")


def _fill(machine: Machine, state: _State) -> None:
    """Give a machine that stands at its beginning the state it shall have."""
    reader = _Reader(machine, state.nodes)
    main, frame, inputs, variables, signals, waiters, *requests = map(reader.value, state.roots)
    machine.main, machine.main_frame = main, frame
    machine.inputs = inputs
    machine.variables = variables
    machine.signals = signals
    machine.waiters = waiters
    machine.requests = dict(zip(state.request_numbers, requests, strict=True))
    machine.numbered = state.numbered
    machine.state = state.state


def reachable(machine: Machine) -> list[Any]:
    """Every object that the state of a machine between two turns is made of, each once."""
    writer = _Writer(machine)
    writer.references(_roots(machine))
    writer.nodes()
    return writer.found


def _roots(machine: Machine) -> list[Any]:
    """What all the rest of a state hangs on."""
    return [
        machine.main,
        machine.main_frame,
        machine.inputs,
        machine.variables,
        machine.signals,
        machine.waiters,
        *machine.requests.values(),
    ]


# ---------------------------------------------------------------------------------------- writing


class _Writer:
    """Gives every object that is reached a number, and writes it down once."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.numbers: dict[int, int] = {}
        self.found: list[Any] = []

    def reference(self, value: Any) -> Any:
        kind = value.__class__
        if kind is float:
            # What bits a NaN has depends on the processor and on where it came from.
            return value if value == value else nan
        if kind is bool or value is None:
            return value
        if kind is str:
            return _text(value)
        if kind is int:
            return [value]
        marker = _MARKER_NUMBERS.get(id(value))
        if marker is not None:
            return marker
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.found)
            self.found.append(value)
        return number

    def references(self, values: Any) -> list[Any]:
        return [self.reference(value) for value in values]

    def nodes(self) -> list[list[Any]]:
        """All nodes; writing one may find others, which come behind."""
        written: list[list[Any]] = []
        while len(written) < len(self.found):
            value = self.found[len(written)]
            write = _WRITERS.get(value.__class__, _write_state)
            written.append(write(self, value))
        return written


def _text(text: str) -> str | bytes:
    return text if text.isascii() else text.encode("utf-8", "surrogatepass")


def _write_object(writer: _Writer, value: JSObject) -> list[Any]:
    return ["object", [_text(key) for key in value], writer.references(value.values())]


def _write_restricted(writer: _Writer, value: RestrictedObject) -> list[Any]:
    return [
        "restricted",
        [_text(key) for key in value],
        writer.references(value.values()),
        value.integrity,
    ]


def _write_error(writer: _Writer, value: JSError) -> list[Any]:
    return [
        "error",
        [_text(key) for key in value],
        writer.references(value.values()),
        value.kind,
        [_text(key) for key in sorted(value.hidden)],
        value.line,
        value.integrity,
    ]


def _write_namespace(writer: _Writer, value: Namespace) -> list[Any]:
    return ["context"] if value is writer.machine.context else ["namespace", value.name]


def _write_array(writer: _Writer, value: JSArray) -> list[Any]:
    return ["array", writer.references(value)]


def _write_exotic_array(writer: _Writer, value: ExoticArray) -> list[Any]:
    return ["exotic array", writer.references(value), writer.reference(value.props)]


def _write_list(writer: _Writer, value: list[Any]) -> list[Any]:
    return ["list", writer.references(value)]


def _write_dict(writer: _Writer, value: dict[str, Any]) -> list[Any]:
    return ["dict", [_text(key) for key in value], writer.references(value.values())]


def _write_function(writer: _Writer, value: JSFunction) -> list[Any]:
    code: Any = value.code
    name = None if value.name is None else _text(value.name)
    return [
        "function",
        _code_name(code),
        writer.reference(value.scope),
        name,
        writer.reference(value.props),
    ]


def _write_builtin(writer: _Writer, value: Builtin) -> list[Any]:
    return ["builtin", value.name]


def _write_promise(writer: _Writer, value: JSPromise) -> list[Any]:
    reactions = None if value.reactions is None else writer.references(value.reactions)
    return [
        "promise",
        value.state,
        value.handled,
        writer.reference(value.value),
        reactions,
        writer.reference(value.props),
    ]


def _write_frame(writer: _Writer, value: Frame) -> list[Any]:
    point = value.code.await_at(value.part)
    return [
        "frame",
        _code_name(value.code),
        value.code.awaits.index(point),
        writer.references([value.slots[slot] for slot in point.live]),
        writer.reference(value.scope),
        writer.reference(value.promise),
    ]


def _write_state(writer: _Writer, value: Any) -> list[Any]:
    fields = [getattr(value, name) for name in value.state_fields]
    return ["state", value.state_tag, writer.references(fields)]


_WRITERS: Final[dict[type, Callable[[_Writer, Any], list[Any]]]] = {
    JSObject: _write_object,
    RestrictedObject: _write_restricted,
    JSError: _write_error,
    Namespace: _write_namespace,
    JSArray: _write_array,
    ExoticArray: _write_exotic_array,
    list: _write_list,
    dict: _write_dict,
    JSFunction: _write_function,
    Builtin: _write_builtin,
    JSPromise: _write_promise,
    Frame: _write_frame,
}


def _code_name(code: FunctionCode) -> int:
    """What names a function in its program: its offset; the program itself may share that."""
    return -1 if code.index == 0 else code.offset


# ---------------------------------------------------------------------------------------- reading


class _Reader:
    """Makes all objects empty, then fills them, so that they may refer to each other."""

    def __init__(self, machine: Machine, nodes: list[list[Any]]) -> None:
        self.machine = machine
        self.codes = {_code_name(code): code for code in machine.program.functions}
        self.objects = [self.empty(node) for node in nodes]
        for node, made in zip(nodes, self.objects, strict=True):
            fill = _FILLERS.get(node[0])
            if fill is not None:
                fill(self, node, made)
        for made in self.objects:
            if made.__class__ is JSFunction:
                bind_function(made, machine)
            elif hasattr(made, "restored"):
                made.restored()

    def empty(self, node: list[Any]) -> Any:
        match node[0]:
            case "builtin":
                return REGISTRY[node[1]]
            case "namespace":
                return NAMESPACES[node[1]]
            case "context":
                return self.machine.context
            case "state":
                made: Any = STATE_CLASSES[node[1]]
                return made.__new__(made)
            case "frame":
                code = self.codes[node[1]]
                code.ready()
                return Frame(code, None, None)
        made = _MADE[node[0]]
        return made.__new__(made)

    def value(self, reference: Any) -> Any:
        kind = reference.__class__
        if kind is int:
            return self.objects[reference] if reference >= 0 else _MARKERS[reference]
        if kind is bytes:
            return reference.decode("utf-8", "surrogatepass")
        if kind is list:
            return reference[0]
        return reference

    def values(self, references: list[Any]) -> list[Any]:
        return [self.value(reference) for reference in references]

    def fill_keys(self, node: list[Any], made: dict[str, Any]) -> None:
        for key, reference in zip(node[1], node[2], strict=True):
            made[self.value(key)] = self.value(reference)

    def fill_restricted(self, node: list[Any], made: RestrictedObject) -> None:
        self.fill_keys(node, made)
        made.integrity = node[3]

    def fill_error(self, node: list[Any], made: JSError) -> None:
        self.fill_keys(node, made)
        made.kind = node[3]
        made.hidden = frozenset(self.values(node[4]))
        made.line = node[5]
        made.integrity = node[6]

    def fill_array(self, node: list[Any], made: list[Any]) -> None:
        made.extend(self.values(node[1]))

    def fill_exotic_array(self, node: list[Any], made: ExoticArray) -> None:
        made.extend(self.values(node[1]))
        made.props = self.value(node[2])

    def fill_function(self, node: list[Any], made: JSFunction) -> None:
        made.code = self.codes[node[1]]
        made.scope = self.value(node[2])
        made.name = self.value(node[3])
        made.props = self.value(node[4])

    def fill_promise(self, node: list[Any], made: JSPromise) -> None:
        made.state = node[1]
        made.handled = node[2]
        made.value = self.value(node[3])
        made.reactions = None if node[4] is None else self.values(node[4])
        made.props = self.value(node[5])

    def fill_frame(self, node: list[Any], made: Frame) -> None:
        point = made.code.awaits[node[2]]
        made.part = point.part
        for slot, reference in zip(point.live, node[3], strict=True):
            made.slots[slot] = self.value(reference)
        made.scope = self.value(node[4])
        made.promise = self.value(node[5])

    def fill_state(self, node: list[Any], made: Any) -> None:
        for name, reference in zip(made.state_fields, node[2], strict=True):
            setattr(made, name, self.value(reference))


_MADE: Final[dict[str, Any]] = {
    "object": JSObject,
    "restricted": RestrictedObject,
    "error": JSError,
    "array": JSArray,
    "exotic array": ExoticArray,
    "list": list,
    "dict": dict,
    "function": JSFunction,
    "promise": JSPromise,
}

_FILLERS: Final[dict[str, Callable[[_Reader, list[Any], Any], None]]] = {
    "object": _Reader.fill_keys,
    "restricted": _Reader.fill_restricted,
    "error": _Reader.fill_error,
    "array": _Reader.fill_array,
    "exotic array": _Reader.fill_exotic_array,
    "list": _Reader.fill_array,
    "dict": _Reader.fill_keys,
    "function": _Reader.fill_function,
    "promise": _Reader.fill_promise,
    "frame": _Reader.fill_frame,
    "state": _Reader.fill_state,
}
