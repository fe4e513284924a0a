"""What a machine runs: a source text, its functions, and how they are found again.

A program is compiled once for its text and shared by all machines of the process. Its functions
are lowered one by one, when they are first called. Code is named by where it stands in the source,
so that a snapshot of one process opens in another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import copy
from functools import cached_property, lru_cache, partial
from math import inf
from pathlib import PurePath
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from flowlang import nodes
from flowlang.compiler import AwaitPoint, Constants, ScopePlaces, StopPoints, lower
from flowlang.errors import FlowSyntaxError
from flowlang.frontmatter import FrontMatter
from flowlang.limits import PROGRAM_MARK, RoomToRecurse
from flowlang.parser import ParsedProgram, parse
from flowlang.runtime import NAMESPACE
from flowlang.scope import FunctionInfo, analyse
from flowlang.source import Source

if TYPE_CHECKING:
    from flowlang.machine import Machine
    from flowlang.values import Value

LANGUAGE_VERSION: Final = 1
"""Raised by a release that changes what programs do; an execution keeps the one it began with."""

LOWERING_VERSION: Final = 4
"""Raised by a release that changes where compiled code keeps what; it makes snapshots unusable."""

KEPT_PROGRAMS: Final = 256
"""Compiled programs a process keeps: far more than it serves at a time, a few MB at most."""

Bind = Callable[["Machine"], Callable[..., "Value"]]
"""Gives what runs a function's code in a machine. It takes the scope around, if there is one, and
the arguments."""


class FunctionCode:
    """One function of a program.

    Attributes:
        index: its number in the program; 0 is the program itself.
        key: names it in snapshots: where it starts in the source; -1 for the program itself.
        name, length: what JavaScript's `f.name` and `f.length` give.
        most_arguments: how many arguments it has parameters for.
        bind: binds it to a machine; None until it is lowered.
        parts, handlers, slots, awaits: of a function made of parts, see `compiler.Lowered`.
        offsets, scopes: see there.
    """

    __slots__ = (
        "_ordinals",
        "awaits",
        "bind",
        "handlers",
        "has_prototype",
        "index",
        "info",
        "is_async",
        "key",
        "length",
        "most_arguments",
        "name",
        "offsets",
        "parts",
        "program",
        "scopes",
        "slots",
    )

    def __init__(self, program: Program, info: FunctionInfo) -> None:
        node = info.node
        self.program = program
        self.info = info
        self.index = info.index
        self.key = -1 if info.index == 0 else node.start
        self.name = info.name
        self.length = info.length
        parameters = info.parameters
        self.most_arguments = inf if parameters and parameters[-1].is_rest else len(parameters)
        self.is_async = info.is_async
        self.has_prototype = (
            isinstance(node, nodes.Function)
            and node.kind in ("declaration", "expression")
            and not node.is_async
        )
        self.bind: Bind | None = None
        self.parts: tuple[Callable[..., int], ...] = ()
        self.handlers: tuple[int | None, ...] = ()
        self.slots = 0
        self.awaits: tuple[AwaitPoint, ...] = ()
        self._ordinals: dict[int, int] = {}
        self.offsets: tuple[int, ...] = ()
        self.scopes: tuple[tuple[ScopePlaces, ...], ...] = ()

    @property
    def shown_name(self) -> str:
        """How people are told of it."""
        return "main" if self.index == 0 else self.name or "<anonymous>"

    @property
    def source_text(self) -> str:
        """What `toString()` gives."""
        return self.program.units[self.info.node.start : self.info.node.end]

    def ready(self) -> Bind:
        """What binds this code, lowered now if that was not done yet."""
        if self.bind is None:
            self._lower()
        assert self.bind is not None
        return self.bind

    def _lower(self) -> None:
        program = self.program
        with RoomToRecurse():
            lowered = lower(
                program.analysis,
                self.info,
                program.units,
                program.constants,
                program.line_at,
                program.stops,
            )
        program.namespace.update(program.constants.values)
        defined: dict[str, Any] = {}
        name = f"<flow function {self.index}>"
        exec(compile(lowered.text, name, "exec"), program.namespace, defined)
        self.offsets = lowered.offsets
        self.scopes = lowered.scopes
        self.slots = lowered.slots
        self.handlers = lowered.handlers
        self.awaits = lowered.awaits
        self._ordinals = {point.part: ordinal for ordinal, point in enumerate(lowered.awaits)}
        # Last comes what says that all is there: another thread may look at any moment.
        if lowered.is_flat:
            self.parts = defined["parts"]
            self.bind = partial(_bind_parts, self)
        else:
            self.bind = defined["bind"]

    def await_at(self, part: int) -> AwaitPoint:
        """The `await` whose value the given part goes on with."""
        return self.awaits[self._ordinals[part]]

    def ordinal_of(self, part: int) -> int:
        """Which `await` of the function that is, from 0 in source order."""
        return self._ordinals[part]


def _bind_parts(code: FunctionCode, machine: Machine) -> Callable[..., Value]:
    call = machine.call_async if code.is_async else machine.call_flat
    return partial(call, code) if code.info.has_scope_around else partial(call, code, None)


class Program:
    """A .flow file that passed the checker.

    Attributes:
        name: the workflow's name: the front matter's, else the file's stem.
        digest: names the content, 32 hexadecimal digits.
        source: the text as it was given.
        path: how messages call the file.
        stops: where its code stops; None for ordinary code, which does not.
        ordinary: the same in ordinary code.
        earlier: what machines of it began with, and left by a mapping; None if they began with it.
    """

    def __init__(self, source: str, path: str, parsed: ParsedProgram) -> None:
        assert parsed.tree is not None
        self.source = source
        self.path = path
        self.front_matter: FrontMatter = parsed.front_matter
        self.name = parsed.front_matter.name or PurePath(path).name.removesuffix(".flow")
        self.digest = digest_of(source)
        self.text: Source = parsed.source
        self.units: str = parsed.source.text
        self.analysis = analyse(parsed.tree)
        self.stops: StopPoints | None = None
        self.ordinary = self
        self.earlier: Program | None = None
        self._begin()

    def _begin(self) -> None:
        """Have no function lowered yet."""
        self.constants = Constants()
        self._lines: dict[tuple[str, int], int] = {}
        self.functions = [FunctionCode(self, info) for info in self.analysis.functions]
        self.code_at = {code.key: code for code in self.functions}
        self.namespace: dict[str, Any] = {
            **NAMESPACE,
            PROGRAM_MARK: self,
            **{f"C{code.index}": code for code in self.functions},
        }

    @cached_property
    def stepping(self) -> Program:
        """The same program in code that can stop.

        At each of `stops` it takes an item from the gate of that number in its machine's `gates`
        and, if there is none left, calls the machine's `hook` with the number. Apart from that it
        does what ordinary code does and keeps all in the same places, so that a state of either
        opens in both.
        """
        tree = self.analysis.functions[0].node
        assert isinstance(tree, nodes.Program)
        twin = copy(self)
        twin.stops = StopPoints(tree)
        twin._begin()
        twin.stepping = twin
        return twin

    @property
    def began_with(self) -> Program:
        """What machines of it began with."""
        return self if self.earlier is None else self.earlier.began_with

    def after(self, earlier: Program) -> Program:
        """The same program, for machines that began with an earlier one; see `mapping`."""
        later = copy(self)
        later.earlier = earlier
        return later

    def line_at(self, offset: int) -> int:
        """The line, from 1, of a source offset."""
        return self.text.position(offset)[0]

    def line_of(self, code: CodeType, line: int) -> int | None:
        """The source line for a line of generated Python; None if the code is not generated."""
        known = (code.co_filename, line)
        found = self._lines.get(known)
        if found is None:
            function = self.function_of(code)
            if function is not None and function.offsets:
                found = self._lines[known] = self.line_at(function.offsets[line - 1])
        return found

    def function_of(self, code: CodeType) -> FunctionCode | None:
        """The function that a piece of generated Python belongs to; None if it is not generated."""
        name = code.co_filename
        if not name.startswith("<flow function "):
            return None
        return self.functions[int(name[15:-1])]


def compile_program(source: str, path: str) -> Program:
    """The program of a .flow file; the same object for the same text and path.

    Raises:
        FlowSyntaxError: the text is no program.
    """
    return _compile(source, path)


@lru_cache(maxsize=KEPT_PROGRAMS)
def _compile(source: str, path: str) -> Program:
    return compile_afresh(source, path)


def compile_afresh(source: str, path: str) -> Program:
    """A program of its own, which is not kept.

    Raises:
        FlowSyntaxError: the text is no program.
    """
    parsed = parse(source, path)
    if parsed.tree is None:
        raise FlowSyntaxError(parsed.diagnostics)
    with RoomToRecurse():
        return Program(source, path, parsed)


def digest_of(source: str) -> str:
    """The name of a content."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:32]
