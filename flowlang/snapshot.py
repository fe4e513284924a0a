"""A machine between two events <-> bytes.

The state is a table of nodes, one for each object: of what kind it is, plain facts about it, and
references to what it holds. So what is shared stays shared and cycles survive. The first node is
what all the rest hangs on. Code is named by where it stands in the source, a suspended
function by the ordinal of the `await` it waits at, library functions by their registered names. A
restored machine cannot be told from one that never stopped.

A snapshot only saves time. One of another format, lowering or program, or with a bit that is not as
it was written, is refused, and its reader feeds the events again. So the bytes begin with a head:
format and lowering version (16 bits each, big-endian), CRC-32 of all that comes behind it, and the
program's digest (16 bytes). The state follows in MessagePack.

Among the references, which come last in a node, a float, boolean, None or ASCII string is itself,
other strings are bytes (UTF-8 with surrogates), an int is the number of a node (negative:
undefined, a hole, an uninitialised variable) and a list of one int is a plain int.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from math import nan
from operator import attrgetter
from typing import Any, Final

import msgspec

from flowlang.errors import FlowError
from flowlang.library import NAMESPACES, REGISTRY
from flowlang.limits import Limits
from flowlang.machine import Frame, Machine
from flowlang.program import LOWERING_VERSION, Program
from flowlang.runtime import bind_later
from flowlang.values import (
    HOLE,
    PENDING,
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

FORMAT_VERSION: Final = 5
"""Raised when what the bytes mean changes."""

_HEAD: Final = struct.Struct(">HHI16s")
_SUMMED_FROM: Final = 8
"""Where in a snapshot that begins which the checksum is taken of."""

_MARKERS: Final[tuple[Any, ...]] = (TDZ, HOLE, UNDEFINED)
"""What the numbers -3, -2 and -1 refer to: behind all nodes Python finds them there."""


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
    """What stands behind the head; `nodes` are in the form the module describes."""

    now_ms: int
    random_state: int
    numbered: int
    state: dict[str, Any]
    request_numbers: list[int]
    nodes: list[list[Any]]
    attributes: list[str]


def encode(machine: Machine, *, limited: bool = True) -> bytes:
    """The whole state of a machine that has no outcome yet.

    Args:
        limited: whether it must not be larger than the machine's limits allow.

    Raises:
        StateTooLarge: it is larger than the machine's limits allow.
    """
    state = msgspec.msgpack.encode(
        _State(
            machine.now_ms,
            machine.random_state,
            machine.numbered,
            machine.state,
            list(machine.requests),
            _write(roots(machine))[1],
            sorted(machine.attributes),
        )
    )
    digest = bytes.fromhex(machine.program.digest)
    checksum = zlib.crc32(state, zlib.crc32(digest))
    data = _HEAD.pack(FORMAT_VERSION, LOWERING_VERSION, checksum, digest) + state
    if limited and len(data) > machine.limits.state:
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
    roots = _read(machine, state.nodes)
    main, frame, inputs, variables, signals, waiters, *requests = roots
    machine.main, machine.main_frame = main, frame
    machine.inputs = inputs
    machine.variables = variables
    machine.signals = signals
    machine.waiters = waiters
    machine.requests = dict(zip(state.request_numbers, requests, strict=True))
    machine.numbered = state.numbered
    machine.state = state.state
    machine.attributes = set(state.attributes)


def roots(machine: Machine) -> list[Any]:
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


def reachable(start: list[Any]) -> list[Any]:
    """Every object that hangs on the ones in `start`, and those themselves, each once."""
    return _write(start)[0][1:]


def held_by(value: Any) -> Iterable[Any]:
    """What an object of a state holds; nothing of what is none."""
    writer = _WRITERS.get(value.__class__)
    return () if writer is None else writer(value)[1]


def encode_values(values: list[Any]) -> bytes:
    """Values that a machine holds, with all that hangs on them and is shared between them."""
    return msgspec.msgpack.encode(_write(values)[1])


def decode_values(machine: Machine, data: bytes) -> list[Any]:
    """The values that `encode_values` wrote, for a machine that runs the same program."""
    return _read(machine, msgspec.msgpack.decode(data))


# ---------------------------------------------------------------------------------------- writing


def _write(start: list[Any]) -> tuple[list[Any], list[list[Any]]]:
    """All objects that hang on the ones in a list, the list first, and a node for each."""
    found: list[Any] = [start]
    nodes: list[list[Any]] = []
    numbers = {id(marker): at - len(_MARKERS) for at, marker in enumerate(_MARKERS)}
    for value in found:  # which grows on the way
        node, held = _WRITERS[value.__class__](value)
        references: list[Any] = []
        for item in held:
            kind = item.__class__
            if kind is str:
                references.append(item if item.isascii() else item.encode("utf-8", "surrogatepass"))
            elif kind is float:
                # What bits a NaN has depends on the processor and on where it came from.
                references.append(item if item == item else nan)
            elif kind is bool or item is None:
                references.append(item)
            elif kind is int:
                references.append([item])
            else:
                number = numbers.get(id(item))
                if number is None:
                    number = numbers[id(item)] = len(found)
                    found.append(item)
                references.append(number)
        node.append(references)
        nodes.append(node)
    return found, nodes


_Written = tuple[list[Any], Iterable[Any]]
"""A node without its references, and what they refer to."""


def _write_list(value: list[Any]) -> _Written:
    return ["list"], value


def _write_dict(value: dict[str, Any]) -> _Written:
    return ["dict"], (*value, *value.values())


def _write_object(value: JSObject) -> _Written:
    return ["object"], (*value, *value.values())


def _write_restricted(value: RestrictedObject) -> _Written:
    return ["restricted", value.integrity], (*value, *value.values())


def _write_error(value: JSError) -> _Written:
    hidden = sorted(value.hidden)
    node = ["error", value.integrity, value.kind, value.line, len(hidden)]
    return node, (*hidden, *value, *value.values())


def _write_namespace(value: Namespace) -> _Written:
    return ["namespace", value.name], ()


def _write_array(value: JSArray) -> _Written:
    return ["array"], value


def _write_exotic_array(value: ExoticArray) -> _Written:
    return ["exotic array"], (value.props, *value)


def _write_function(value: JSFunction) -> _Written:
    code: Any = value.code
    return ["function", code.key], (value.scope, value.name, value.props)


def _write_builtin(value: Builtin) -> _Written:
    return ["builtin", value.name], ()


def _write_promise(value: JSPromise) -> _Written:
    held = (value.value, value.props, *(value.reactions or ()))
    return ["promise", value.state, value.handled], held


def _write_frame(value: Frame) -> _Written:
    code, slots = value.code, value.slots
    ordinal = code.ordinal_of(value.part)
    live = [slots[slot] for slot in code.awaits[ordinal].live]
    return ["frame", code.key, ordinal], (value.scope, value.promise, *live)


def _writer_of(kind: Any) -> Callable[[Any], _Written]:
    """What writes a class that is described by its fields."""
    tag, fields = kind.state_tag, kind.state_fields
    if len(fields) < 2:
        return lambda value: ([tag], [getattr(value, name) for name in fields])
    read = attrgetter(*fields)
    return lambda value: ([tag], read(value))


_WRITERS: Final[dict[type, Callable[[Any], _Written]]] = {
    list: _write_list,
    dict: _write_dict,
    JSObject: _write_object,
    RestrictedObject: _write_restricted,
    JSError: _write_error,
    Namespace: _write_namespace,
    JSArray: _write_array,
    ExoticArray: _write_exotic_array,
    JSFunction: _write_function,
    Builtin: _write_builtin,
    JSPromise: _write_promise,
    Frame: _write_frame,
    **{kind: _writer_of(kind) for kind in STATE_CLASSES.values()},
}


# ---------------------------------------------------------------------------------------- reading


def _read(machine: Machine, nodes: list[list[Any]]) -> list[Any]:
    """The roots of the state that these nodes are. All objects are made empty first and then
    filled, so that they may refer to each other."""
    objects: list[Any] = []
    for node in nodes:
        kind = _MADE_EMPTY.get(node[0])
        objects.append(_find(machine, node) if kind is None else kind.__new__(kind))
    objects += _MARKERS
    unfinished: list[Any] = []
    for node, made in zip(nodes, objects, strict=False):
        values: list[Any] = []
        for reference in node[-1]:
            kind = reference.__class__
            if kind is int:
                values.append(objects[reference])
            elif kind is bytes:
                values.append(reference.decode("utf-8", "surrogatepass"))
            elif kind is list:
                values.append(reference[0])
            else:
                values.append(reference)
        _FILLERS[node[0]](machine, made, node, values)
        if made.__class__ in _UNFINISHED:
            unfinished.append(made)
    for made in unfinished:
        if made.__class__ is JSFunction:
            bind_later(made)
        else:
            made.restored()
    roots: list[Any] = objects[0]
    return roots


def _find(machine: Machine, node: list[Any]) -> Any:
    """What is not made empty, but is there already or needs to know its code."""
    match node[0]:
        case "frame":
            code = machine.program.code_at[node[1]]
            code.ready()
            return Frame(code, None, None)
        case "builtin":
            return REGISTRY[node[1]]
        case "namespace":
            name = node[1]
            return machine.context if name == machine.context.name else NAMESPACES[name]
    raise ValueError(f"there is no kind of node {node[0]!r}")


_Filler = Callable[[Machine, Any, list[Any], list[Any]], None]
"""Fills an object that was made empty, given its node and the values that the node refers to."""


def _fill_list(machine: Machine, made: list[Any], node: list[Any], values: list[Any]) -> None:
    made.extend(values)


def _fill_dict(machine: Machine, made: dict[str, Any], node: list[Any], values: list[Any]) -> None:
    half = len(values) // 2
    made.update(zip(values[:half], values[half:], strict=True))


def _fill_restricted(
    machine: Machine, made: RestrictedObject, node: list[Any], values: list[Any]
) -> None:
    made.integrity = node[1]
    _fill_dict(machine, made, node, values)


def _fill_error(machine: Machine, made: JSError, node: list[Any], values: list[Any]) -> None:
    _, made.integrity, made.kind, made.line, hidden, _ = node
    made.hidden = frozenset(values[:hidden])
    _fill_dict(machine, made, node, values[hidden:])


def _fill_exotic_array(
    machine: Machine, made: ExoticArray, node: list[Any], values: list[Any]
) -> None:
    made.props, *items = values
    made.extend(items)


def _fill_function(machine: Machine, made: JSFunction, node: list[Any], values: list[Any]) -> None:
    made.code = machine.program.code_at[node[1]]
    made.scope, made.name, made.props = values


def _fill_promise(machine: Machine, made: JSPromise, node: list[Any], values: list[Any]) -> None:
    _, made.state, made.handled, _ = node
    made.value, made.props, *reactions = values
    made.reactions = reactions if made.state == PENDING else None


def _fill_frame(machine: Machine, made: Frame, node: list[Any], values: list[Any]) -> None:
    point = made.code.awaits[node[2]]
    made.part = point.part
    made.scope, made.promise, *live = values
    slots = made.slots
    for slot, value in zip(point.live, live, strict=True):
        slots[slot] = value


def _filler_of(kind: Any) -> _Filler:
    """What fills a class that is described by its fields: made from text, as `namedtuple` makes
    its methods, since that takes a third of the time of a loop."""
    targets = "".join(f"made.{name}, " for name in kind.state_fields)
    defined: dict[str, _Filler] = {}
    exec(f"def fill(machine, made, node, values): [{targets}] = values", defined)
    return defined["fill"]


def _leave(machine: Machine, made: Any, node: list[Any], values: list[Any]) -> None:
    """What was there already."""


_MADE_EMPTY: Final[dict[str, Any]] = {
    "list": list,
    "dict": dict,
    "object": JSObject,
    "restricted": RestrictedObject,
    "error": JSError,
    "array": JSArray,
    "exotic array": ExoticArray,
    "function": JSFunction,
    "promise": JSPromise,
    **STATE_CLASSES,
}

_FILLERS: Final[dict[str, _Filler]] = {
    "list": _fill_list,
    "dict": _fill_dict,
    "object": _fill_dict,
    "restricted": _fill_restricted,
    "error": _fill_error,
    "array": _fill_list,
    "exotic array": _fill_exotic_array,
    "function": _fill_function,
    "promise": _fill_promise,
    "frame": _fill_frame,
    "builtin": _leave,
    "namespace": _leave,
    **{tag: _filler_of(kind) for tag, kind in STATE_CLASSES.items()},
}

_UNFINISHED: Final = {kind for kind in STATE_CLASSES.values() if hasattr(kind, "restored")} | {
    JSFunction
}
"""Classes that need something done once all is filled."""
