"""The classes that JavaScript's values are made of, and nothing that computes with them.

Primitives are Python's own: `None` is null, `bool`, `float` (every number), and `str` with one
character per UTF-16 unit; `UNDEFINED` is the one addition. Objects compare and hash by identity,
as in JavaScript. The class of an object tells what the fast paths may do: a plain `JSObject` or
`JSArray` can always be written to; one that is frozen, sealed or carries anything unusual has
become a `RestrictedObject` or an `ExoticArray`, and every write to it takes the slow path.

All of these are data with slots, so that a snapshot can encode whatever a program holds. What
hangs behind a prototype is not in the objects: `PROTOTYPES` holds one table for each class, filled
once by `flowlang.library`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, NoReturn, Protocol, TypeAlias, TypeVar

from flowlang.limits import (
    ELEMENT_UNITS,
    OBJECT_UNITS,
    PROPERTY_UNITS,
    TEXT_PER_STEP,
    charge_memory,
    charge_reading,
    charge_steps,
    check_string,
    current_line,
)

Value: TypeAlias = Any
"""A JavaScript value. `Any`, because the hot paths narrow by class rather than by isinstance."""


class Undefined:
    """The class of `UNDEFINED`; it has one instance in a process."""

    __slots__ = ()
    _instance: ClassVar[Undefined | None] = None

    def __new__(cls) -> Undefined:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"

    def __reduce__(self) -> tuple[type[Undefined], tuple[()]]:
        return (Undefined, ())


class Marker:
    """What stands in a slot that holds no JavaScript value; no program ever sees one."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


UNDEFINED: Final = Undefined()
HOLE: Final = Marker("hole")
TDZ: Final = Marker("not yet initialised")

EXTENSIBLE, NOT_EXTENSIBLE, SEALED, FROZEN = 0, 1, 2, 3
"""How much of an object may still change: everything, no new keys, values only, nothing."""


STATE_CLASSES: dict[str, type] = {}
"""Classes of values that snapshots encode by their fields. Filled by `state_class`, by tag."""

_Class = TypeVar("_Class", bound=type)


def state_class(tag: str, *fields: str) -> Callable[[_Class], _Class]:
    """Register a class whose instances are fully described by `fields`.

    A field holds a JavaScript value, an int, a list or a dict of such. What can be rebuilt from
    the fields is rebuilt by an optional method `restored()`, called once all are set; it must not
    look into other objects, which may not be restored yet. Tags are stored: never reuse one.
    """

    def register(cls: _Class) -> _Class:
        known = STATE_CLASSES.setdefault(tag, cls)
        if known is not cls:
            raise ValueError(f"two classes of values share the tag {tag!r}: {known} and {cls}")
        cls.state_tag = tag  # type: ignore[attr-defined]  # every state class gets both
        cls.state_fields = fields  # type: ignore[attr-defined]  # every state class gets both
        return cls

    return register


class Throw(Exception):
    """A JavaScript exception on its way up; `value` is what the program threw."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def __str__(self) -> str:
        error = self.value
        if isinstance(error, JSError):
            return f"{error.kind}: {error.get('message', '')}"
        return repr(error)


class JSObject(dict[str, Value]):
    """A plain object: its own properties, in the order in which they were made.

    Integer-like keys are sorted to the front when keys are listed, not when they are stored.
    Reading a key that is not there falls through to what every object inherits.
    """

    __slots__ = ("integrity",)
    integrity: int

    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__  # type: ignore[assignment]  # dicts do not hash, objects do

    def __missing__(self, key: str) -> Value:
        found = OBJECT_PROTOTYPE.get(key, UNDEFINED)
        if found is UNDEFINED and key == "__proto__":
            throw("TypeError", "reading '__proto__' is not part of Flow")
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.keys())})"


class RestrictedObject(JSObject):
    """A plain object that can no longer be extended; `integrity` says how far that goes."""

    __slots__ = ()


class Namespace(JSObject):
    """A built-in object such as `Math`: never written to, known to snapshots by its `name`."""

    __slots__ = ("enumerable", "name")

    def __init__(
        self, name: str, members: Iterable[tuple[str, Value]] = (), *, enumerable: bool = False
    ) -> None:
        super().__init__(members)
        self.name = name
        self.enumerable = enumerable
        self.integrity = FROZEN


class JSError(JSObject):
    """An error object. `kind` is the constructor that made it; `hidden` its keys that no loop
    over keys sees. `line` is where in the program it was made, None when outside of one."""

    __slots__ = ("hidden", "kind", "line")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.hidden: frozenset[str] = frozenset()
        self.line: int | None = current_line()
        self.integrity = EXTENSIBLE

    def define_hidden(self, key: str, value: Value) -> None:
        """Set a property that no loop over keys sees."""
        charge_memory(PROPERTY_UNITS)
        self[key] = value
        self.hidden |= {key}

    def __missing__(self, key: str) -> Value:
        inherited = ERROR_PROTOTYPES.get(self.kind)
        if inherited is not None and key in inherited:
            return inherited[key]
        return JSObject.__missing__(self, key)


class JSArray(list[Value]):
    """An array whose elements are the list's items, `HOLE` where there is none.

    `props` exists only on the subclass `ExoticArray`: ask `other_properties` for it.
    """

    __slots__ = ("props",)
    props: JSObject | None

    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__  # type: ignore[assignment]  # lists do not hash, arrays do

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} elements)"


class ExoticArray(JSArray):
    """An array with other properties than elements, or one that was frozen or sealed.

    Its `props` hold those properties and, as a `RestrictedObject`, how far it may still change.
    """

    __slots__ = ()


class JSExotic:
    """An object that is neither a dict nor a list; `props` holds properties it was given."""

    __slots__ = ("props",)

    def __init__(self) -> None:
        self.props: JSObject | None = None


class JSCallable(JSExotic):
    """Everything of which `typeof` says "function". Calling is `f.call(*args)`."""

    __slots__ = ()


class FunctionCode(Protocol):
    """What values need to know of a compiled function."""

    @property
    def name(self) -> str: ...
    @property
    def length(self) -> int:
        """JavaScript's `length`: the parameters before the first default or rest."""

    @property
    def most_arguments(self) -> float:
        """How many arguments it has parameters for; more of them it cannot see."""

    @property
    def source_text(self) -> str:
        """What `toString()` gives."""

    @property
    def has_prototype(self) -> bool:
        """Whether it could be a constructor: neither async, nor an arrow, nor a method."""

    @property
    def is_async(self) -> bool: ...


class JSFunction(JSCallable):
    """A function of the program: its code, and the scope it closed over.

    `name` is set when it became known only at run time (`{[key]: () => 1}`), else None.
    """

    __slots__ = ("call", "code", "name", "scope")

    def __init__(
        self,
        code: FunctionCode,
        scope: Any,
        call: Callable[..., Value],
        name: str | None = None,
    ) -> None:
        self.props = None
        self.code = code
        self.scope = scope
        self.call: Callable[..., Value] = call
        self.name = name


class NativeFunction(JSCallable):
    """A function of the library that carries data, such as the `resolve` of one promise.

    Subclasses are state classes and define `call(*args)`; they have no name, as in JavaScript.
    """

    __slots__ = ()

    @property
    def shown_name(self) -> str:
        return ""

    @property
    def length(self) -> int:
        return 1

    @property
    def is_spent(self) -> bool:
        """Whether calling it can never do anything any more."""
        return False

    def call(self, *args: Value) -> Value:
        raise NotImplementedError


class Builtin(JSCallable):
    """A function of the library, known to snapshots by its registered `name`.

    `call(*args)` is the plain call. A prototype method has `method(this, *args)` as well, and its
    plain `call` throws, since Flow has no `this` to give it. `construct(*args)` serves `new`.
    """

    __slots__ = ("call", "construct", "length", "members", "method", "name")

    def __init__(
        self,
        name: str,
        length: int,
        *,
        call: Callable[..., Value] | None = None,
        method: Callable[..., Value] | None = None,
        construct: Callable[..., Value] | None = None,
    ) -> None:
        self.props = None
        self.name = name
        self.length = length
        self.call: Callable[..., Value] = call if call is not None else self._call_without_object
        self.method = method
        self.construct = construct
        self.members: dict[str, Value] = {}

    @property
    def shown_name(self) -> str:
        """JavaScript's `name`: the part after the last dot."""
        return self.name.rpartition(".")[2]

    def _call_without_object(self, *_: Value) -> Value:
        throw("TypeError", f"{self.name} was called without its object")

    def __repr__(self) -> str:
        return f"Builtin({self.name})"


@state_class("bound", "props", "target", "this", "args")
class BoundFunction(NativeFunction):
    """What `f.bind(object, ...args)` gives; the object matters to built-in methods only."""

    __slots__ = ("args", "target", "this")

    def __init__(self, target: JSCallable, this: Value, args: list[Value]) -> None:
        self.props = None
        self.target = target
        self.this = this
        self.args = args

    @property
    def shown_name(self) -> str:
        *chain, target = self._chain()
        if isinstance(target, JSFunction):
            name = target.code.name if target.name is None else target.name
        else:
            name = target.shown_name
        check_string(len("bound ") * len(chain) + len(name))
        return "bound " * len(chain) + name

    @property
    def length(self) -> int:
        *chain, target = self._chain()
        length: int = target.code.length if isinstance(target, JSFunction) else target.length
        for bound in reversed(chain):
            length = max(0, length - len(bound.args))
        return length

    def call(self, *args: Value) -> Value:
        *chain, target = self._chain()
        given = [argument for bound in reversed(chain) for argument in bound.args]
        charge_steps(len(given))
        if target.__class__ is Builtin and target.method is not None:
            return target.method(chain[-1].this, *given, *args)
        return target.call(*given, *args)

    def _chain(self) -> list[Any]:
        """This function, what it binds if that is bound too, and so on to what is not."""
        found: list[Any] = [self]
        while found[-1].__class__ is BoundFunction:
            found.append(found[-1].target)
        charge_steps(len(found) - 1)
        return found


PENDING, FULFILLED, REJECTED = 0, 1, 2


class JSPromise(JSExotic):
    """A promise. `reactions` are data that the machine understands; None once settled.

    `handled` turns true when something reacts to it: a rejection nobody handles is logged.
    """

    __slots__ = ("handled", "reactions", "state", "value")

    def __init__(self) -> None:
        self.props = None
        self.state = PENDING
        self.value: Value = UNDEFINED
        self.reactions: list[Any] | None = []
        self.handled = False


@state_class("date", "props", "time")
class JSDate(JSExotic):
    """A date: milliseconds since 1970 in UTC, NaN when it is no date."""

    __slots__ = ("time",)

    def __init__(self, time: float) -> None:
        self.props = None
        self.time = time


_TRUE_KEY: Final = Marker("true")
_FALSE_KEY: Final = Marker("false")
_NAN_KEY: Final = Marker("NaN")


class EntryTable(JSExotic):
    """The entries of a `Map` or `Set` in insertion order, findable by key.

    A removed entry leaves `None` behind, so that running iterators, which hold positions, stay
    right; when too many have gathered the list is compacted and the iterators are moved.

    Attributes:
        first: before this position there are removed entries only.
    """

    __slots__ = ("_iterators", "entries", "first", "index")

    def __init__(self, entries: Iterable[list[Value] | None] = ()) -> None:
        self.props = None
        self.entries: list[list[Value] | None] = list(entries)
        self._iterators: list[weakref.ref[TableIterator]] | None = None
        self._reindex()

    def restored(self) -> None:
        """Rebuild what the entries imply. Hashing by identity does not look into the keys."""
        if not hasattr(self, "_iterators"):
            self._iterators = None
        self._reindex()

    def _reindex(self) -> None:
        self.first = 0
        self.index: dict[Any, int] = {
            _entry_key(entry[0]): position
            for position, entry in enumerate(self.entries)
            if entry is not None
        }

    def lookup(self, key: Value) -> Value:
        """The value stored under `key`, or undefined."""
        position = self.index.get(_entry_key(key))
        if position is None:
            return UNDEFINED
        entry = self.entries[position]
        assert entry is not None
        return entry[1]

    def contains(self, key: Value) -> bool:
        return _entry_key(key) in self.index

    def store(self, key: Value, value: Value) -> bool:
        """Set an entry; true when it is a new one. The key -0 is stored as 0."""
        known = _entry_key(key)
        position = self.index.get(known)
        if position is not None:
            entry = self.entries[position]
            assert entry is not None
            entry[1] = value
            return False
        self.index[known] = len(self.entries)
        if key.__class__ is float and key == 0.0:
            key = 0.0
        self.entries.append([key, value])
        return True

    def remove(self, key: Value) -> bool:
        """Delete an entry; false when there was none."""
        position = self.index.pop(_entry_key(key), None)
        if position is None:
            return False
        self.entries[position] = None
        if len(self.entries) > 32 and len(self.entries) > 2 * len(self.index):
            self._compact()
        elif position == self.first:
            while position < len(self.entries) and self.entries[position] is None:
                position += 1
            self.first = position
        return True

    def clear(self) -> None:
        self.index.clear()
        self.entries.clear()
        self.first = 0
        for iterator in self._living_iterators():
            iterator.position = 0

    def watch(self, iterator: TableIterator) -> None:
        """Keep `iterator`'s position right when entries move."""
        # An iterator may be restored from a snapshot before its table.
        watched: list[weakref.ref[TableIterator]] = getattr(self, "_iterators", None) or []
        # Those that are gone are forgotten when the list has doubled: nothing looks for them.
        if len(watched) >= 8 and len(watched) & (len(watched) - 1) == 0:
            watched = [known for known in watched if known() is not None]
        watched.append(weakref.ref(iterator))
        self._iterators = watched

    def _living_iterators(self) -> list[TableIterator]:
        found = (known() for known in self._iterators or ())
        return [iterator for iterator in found if iterator is not None]

    def _compact(self) -> None:
        for iterator in self._living_iterators():
            before = self.entries[: iterator.position]
            iterator.position -= sum(1 for entry in before if entry is None)
        self.entries = [entry for entry in self.entries if entry is not None]
        self._reindex()


@state_class("map", "props", "entries")
class JSMap(EntryTable):
    """A `Map`."""

    __slots__ = ()


@state_class("set", "props", "entries")
class JSSet(EntryTable):
    """A `Set`: each entry holds its value twice."""

    __slots__ = ()


class JSIterator(JSExotic):
    """An iterator: a Python iterator over JavaScript values, made of positions only."""

    __slots__ = ()

    def __iter__(self) -> JSIterator:
        return self

    def __next__(self) -> Value:
        raise NotImplementedError


KEYS, VALUES, ENTRIES = 0, 1, 2
"""What an iterator over an array, `Map` or `Set` gives."""

_PAIR_UNITS: Final = OBJECT_UNITS + 2 * ELEMENT_UNITS


@state_class("array iterator", "props", "array", "position", "kind")
class ArrayIterator(JSIterator):
    """Goes along an array by index, live. `array` turns None at the end and stays so."""

    __slots__ = ("array", "kind", "position")

    def __init__(self, array: JSArray | str | None, kind: int = VALUES, position: int = 0) -> None:
        self.props = None
        self.array = array
        self.kind = kind
        self.position = position

    def __next__(self) -> Value:
        position = self.position
        array = self.array
        if array is None or position >= len(array):
            self.array = None
            raise StopIteration
        self.position = position + 1
        if self.kind == KEYS:
            return float(position)
        value = array[position]
        if value is HOLE:
            value = UNDEFINED
        if self.kind == VALUES:
            return value
        charge_memory(_PAIR_UNITS)
        return JSArray((float(position), value))


@state_class("string iterator", "props", "text", "position")
class StringIterator(JSIterator):
    """Goes along a string by code points: a surrogate pair comes as one string of two units."""

    __slots__ = ("position", "text")

    def __init__(self, text: str | None, position: int = 0) -> None:
        self.props = None
        self.text = text
        self.position = position

    def __next__(self) -> str:
        position, text = self.position, self.text
        if text is None or position >= len(text):
            self.text = None
            raise StopIteration
        unit = text[position]
        if (
            "\ud800" <= unit <= "\udbff"
            and "\udc00" <= text[position + 1 : position + 2] <= "\udfff"
        ):
            unit = text[position : position + 2]
        self.position = position + len(unit)
        return unit


@state_class("table iterator", "props", "table", "position", "kind")
class TableIterator(JSIterator):
    """Goes along a `Map` or `Set`; entries added on the way are seen, removed ones are not."""

    __slots__ = ("__weakref__", "kind", "position", "table")

    def __init__(self, table: EntryTable | None, kind: int, position: int = 0) -> None:
        self.props = None
        self.table = table
        self.kind = kind
        self.position = position
        self.restored()

    def restored(self) -> None:
        if self.table is not None:
            self.table.watch(self)

    def __next__(self) -> Value:
        table = self.table
        if table is None:
            raise StopIteration
        entries = table.entries
        start = position = max(self.position, table.first)
        while position < len(entries):
            entry = entries[position]
            position += 1
            if entry is not None:
                self.position = position
                charge_steps((position - start) // TEXT_PER_STEP)  # over what was removed
                if self.kind != ENTRIES:
                    return entry[self.kind]
                charge_memory(_PAIR_UNITS)
                return JSArray(entry)
        self.position = position
        self.table = None
        raise StopIteration


OBJECT_PROTOTYPE: dict[str, Value] = {}
"""What every object inherits. Filled by `flowlang.library`, then left alone."""

ERROR_PROTOTYPES: dict[str, dict[str, Value]] = {}
"""What an error inherits, by its kind."""

PROTOTYPES: dict[type, dict[str, Value]] = {}
"""What a value inherits, by its class, `OBJECT_PROTOTYPE` included. Primitives have one too."""

PRIMITIVES: Final = frozenset({str, float, bool, type(None), Undefined})


def is_object(value: Value) -> bool:
    """Whether JavaScript calls the value an object (functions are)."""
    return value.__class__ not in PRIMITIVES


def is_callable(value: Value) -> bool:
    return isinstance(value, JSCallable)


def other_properties(value: Value) -> JSObject | None:
    """The properties of an array, function, `Map`… that are kept beside what it is made of."""
    if value.__class__ is JSArray:
        return None
    return value.props  # type: ignore[no-any-return]  # every class with props declares the type


def integrity_of(value: Value) -> int:
    """EXTENSIBLE, NOT_EXTENSIBLE, SEALED or FROZEN."""
    bag = value if isinstance(value, JSObject) else other_properties(value)
    if bag is None or bag.__class__ is JSObject:
        return EXTENSIBLE
    return bag.integrity


def restrict(value: Value, integrity: int) -> None:
    """Take away rights to change an object; they never come back."""
    if integrity_of(value) >= integrity:
        return
    bag = value if isinstance(value, JSObject) else property_bag(value)
    if bag.__class__ is JSObject:
        bag.__class__ = RestrictedObject
    bag.integrity = integrity


def property_bag(value: Value) -> JSObject:
    """Where an array, function, `Map`… keeps its other properties, made now if there is none."""
    bag = other_properties(value)
    if bag is None:
        charge_memory(OBJECT_UNITS)
        bag = JSObject()
        if value.__class__ is JSArray:
            value.__class__ = ExoticArray
        value.props = bag
    return bag


def make_error(kind: str, message: str | None = None) -> JSError:
    """A new error object as `new kind(message)` would make it."""
    stack = kind if not message else f"{kind}: {message}"
    check_string(len(stack))
    charge_memory(OBJECT_UNITS + 2 * PROPERTY_UNITS)
    error = JSError(kind)
    error["stack"] = stack
    error.hidden = _STACK
    if message is not None:
        error["message"] = message
        error.hidden = _STACK_AND_MESSAGE
    return error


_STACK: Final = frozenset(["stack"])
_STACK_AND_MESSAGE: Final = frozenset(["stack", "message"])


def throw(kind: str, message: str) -> NoReturn:
    """Throw a new error into the program."""
    raise Throw(make_error(kind, message))


def _entry_key(key: Value) -> Any:
    """What finds a key by SameValueZero. To Python, True equals 1.0 and NaN not itself."""
    kind = key.__class__
    if kind is str:
        if len(key) > TEXT_PER_STEP:
            charge_reading(len(key))
        return key
    if kind is bool:
        return _TRUE_KEY if key else _FALSE_KEY
    if key != key:
        return _NAN_KEY
    return key
