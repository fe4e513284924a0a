"""A program running: frames, promises, the microtask queue, what it asks of the world.

A machine takes one event at a time, runs until nothing can go on, and gives the commands that the
program asked for on the way. It never reads a clock, draws a random number from outside, or opens
anything, so the same events give the same commands. All of its state between two events is data: a
suspended function is a `Frame` of slots, and what waits for a promise is a `Reaction` or a frame.

Jobs run in exactly JavaScript's order: `await` of a promise takes one turn of the queue, a thenable
one more to call its `then`, and an async function that returns a promise three.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from flowlang.errors import EditRefused, InternalError
from flowlang.limits import (
    ELEMENT_UNITS,
    OBJECT_UNITS,
    TEXT_PER_STEP,
    Budget,
    LimitError,
    Limits,
    RoomToRecurse,
    charge_memory,
    charge_steps,
    current_line,
    line_of_error,
    restore_budget,
    use_budget,
)
from flowlang.protocol import (
    CancelChild,
    CancelRequested,
    CancelTimer,
    Command,
    Completed,
    Edit,
    Ended,
    ErrorInfo,
    Event,
    Failed,
    Forked,
    Log,
    Restarted,
    RunTask,
    RunWorkflow,
    SendSignal,
    SetAttribute,
    SetState,
    SignalReceived,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    Turn,
)
from flowlang.source import from_units, named, to_units
from flowlang.values import (
    FULFILLED,
    PENDING,
    PRIMITIVES,
    REJECTED,
    UNDEFINED,
    Builtin,
    JSCallable,
    JSError,
    JSPromise,
    Namespace,
    NativeFunction,
    ResolveFunction,
    Throw,
    Value,
    call_on,
    get_member,
    make_error,
    state_class,
    to_string,
)

if TYPE_CHECKING:
    from flowlang.program import FunctionCode, Program
    from flowlang.whereabouts import Position, Suspended

AWAIT: Final = -1
"""What a part returns instead of the next part: wait for the value left in the frame."""

DONE: Final = -2
"""What a part returns instead of the next part: the value left in the frame is the result."""

COMMAND_UNITS: Final = 256
"""Units of memory of something asked of the world: a command, and what remembers the request."""

LONGEST_REMARK: Final = 16_384
"""Characters of a line that the machine logs itself."""


def current() -> Machine:
    """The machine that runs on this thread.

    Raises:
        LookupError: none does.
    """
    return _running.get()


_running: ContextVar[Machine] = ContextVar("flowlang_machine")


@contextmanager
def running(machine: Machine) -> Iterator[None]:
    """Within, the machine is the one that runs on this thread."""
    token = _running.set(machine)
    try:
        yield
    finally:
        _running.reset(token)


def _is_promise_constructor(value: Value) -> bool:
    return isinstance(value, Builtin) and value.name == "Promise"


# ---------------------------------------------------------------------------------------- data


class Frame:
    """An async function that has begun and not ended.

    Attributes:
        part: the part of its code to go on with.
        slots: its variables and what it has evaluated so far.
        scope: the shared scope around the function.
        promise: settled by its end.
        value: what it left when it stopped; undefined between two runs.
    """

    __slots__ = ("code", "part", "promise", "scope", "slots", "value")

    def __init__(self, code: FunctionCode, scope: Any, promise: JSPromise | None) -> None:
        self.code = code
        self.part = 0
        self.slots: list[Any] = [UNDEFINED] * code.slots
        self.scope = scope
        self.promise = promise
        self.value: Value = UNDEFINED


@state_class("reaction", "on_fulfilled", "on_rejected", "derived")
class Reaction:
    """What `then` left with a promise; handlers that are no functions pass the outcome on."""

    __slots__ = ("derived", "on_fulfilled", "on_rejected")

    def __init__(self, on_fulfilled: Value, on_rejected: Value, derived: JSPromise | None) -> None:
        self.on_fulfilled = on_fulfilled
        self.on_rejected = on_rejected
        self.derived = derived

    @property
    def is_spent(self) -> bool:
        """Whether it can never do anything any more, as what a lost race left behind."""
        return self.derived is None and all(
            isinstance(handler, NativeFunction) and handler.is_spent
            for handler in (self.on_fulfilled, self.on_rejected)
        )


@state_class("ending")
class _Ending:
    """Waits for the program's own promise: its result leaves when it is there, as `then` would
    see it, though the execution ends only when no job is left."""

    __slots__ = ()


@state_class("request", "kind", "name", "due_ms", "promise", "line")
class Request:
    """Something asked of the world that will be answered.

    Attributes:
        name: of the task or workflow; the execution that a signal was sent to.
        due_ms: when a timer fires, unix ms.
        line: where in the program it was asked, for the error that may come back.
    """

    __slots__ = ("due_ms", "kind", "line", "name", "promise")

    def __init__(
        self,
        kind: Literal["task", "workflow", "sending", "timer"],
        promise: JSPromise,
        line: int,
        *,
        name: str = "",
        due_ms: int | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self.due_ms = due_ms
        self.promise = promise
        self.line = line


@state_class("waiter", "name", "promise", "timer", "due_ms", "line")
class Waiter:
    """A `Signal.when` that has no signal yet.

    Attributes:
        timer: the number of its time limit's timer.
        due_ms: when that fires, unix ms.
        line: where in the program it was asked.
    """

    __slots__ = ("due_ms", "line", "name", "promise", "timer")

    def __init__(
        self, name: str, promise: JSPromise, timer: int | None, due_ms: int | None, line: int
    ) -> None:
        self.name = name
        self.promise = promise
        self.timer = timer
        self.due_ms = due_ms
        self.line = line


class _AtOnce(BaseException):
    """The program ends where it is. No `catch` and no `finally` of it sees that."""

    def __init__(self, outcome: Restarted) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class _ThenableJob:
    """Calls the `then` of an object that a promise was resolved with."""

    __slots__ = ("promise", "then")

    def __init__(self, promise: JSPromise, then: Any) -> None:
        self.promise = promise
        self.then = then


# ---------------------------------------------------------------------------------------- machine


class Machine:
    """One execution of a program.

    Attributes:
        outcome: how it ended; None while it has not.
        now_ms: the time of the event being handled, unix ms; never goes back.
        state: what `State.set` stored, as plain values.
        attributes: the names of those that the execution has.
        facts: what the program sees as `Context`, as plain values.
        signals: those that came and were not taken, by their name, first come first.
        variables: names that the program created by assigning to them.
        callables: what runs the code of each function that was called; see `program.Bind`.
        gates, hook: see `Program.stepping`.
    """

    gates: list[Iterable[object]]
    hook: Callable[[int], None]

    def __init__(
        self,
        program: Program,
        inputs: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        seed: int = 0,
        now_ms: int = 0,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        attributes: Iterable[str] = (),
    ) -> None:
        """A machine at its beginning.

        Args:
            inputs, context: plain values for `Inputs` and `Context`.
            seed: where the deterministic random numbers start.
            limits: what it may spend.
            attributes: names of those that the execution has from its start.

        Raises:
            ValueError: an input that no number of JavaScript holds, with the path to it.
        """
        from flowlang.library.border import import_value  # it stands on this module

        self.program = program
        self.limits = limits
        self.budget = Budget(limits)
        self.now_ms = now_ms
        self.random_state = seed & _MASK
        self.execution_id = str((context or {}).get("executionId", ""))
        self.inputs: Value = import_value(inputs or {})
        self.facts = context or {}
        self.variables: dict[str, Value] = {}
        self.callables: dict[FunctionCode, Callable[..., Value]] = {}
        self.state: dict[str, Any] = {}
        self.attributes = set(attributes)
        self.outcome: Ended | None = None
        self.numbered = 0
        self.requests: dict[int, Request] = {}
        self.waiters: list[Waiter] = []
        self.signals: dict[str, list[Value]] = {}
        self.main: JSPromise = JSPromise()
        self.main_frame: Frame | None = None
        self._jobs: deque[tuple[Any, int, Value]] = deque()
        self._rejections: list[JSPromise] = []
        self._commands: list[Command] = []

    @cached_property
    def context(self) -> Namespace:
        """The program's `Context`, made when it is first looked at: most programs never do."""
        from flowlang.library.border import import_value

        return Namespace("Context", import_value(self.facts).items(), enumerable=True)

    @property
    def given(self) -> tuple[Command, ...]:
        """What it has asked for in the turn that runs."""
        return tuple(self._commands)

    # ------------------------------------------------------------------ turns

    def start(self) -> Turn:
        """Run the program from its beginning to where nothing can go on."""
        return self._turn(self._begin)

    def feed(self, event: Event, now_ms: int) -> Turn:
        """Take one event and run to where nothing can go on.

        An answer that nobody waits for changes nothing. Time never goes back: an earlier `now_ms`
        counts as the latest one.

        Raises:
            EditRefused: it is a fork's, and a value cannot be put where it is to be; the machine
                is of no further use.
            InternalError: the machine itself failed, or had ended before.
        """
        if self.outcome is not None:
            raise InternalError("a machine that has ended was given an event")
        self.now_ms = max(self.now_ms, now_ms)
        return self._turn(lambda: self._take(event))

    def _turn(self, work: Callable[[], None]) -> Turn:
        self.budget.refill()
        machine_token = _running.set(self)
        budget_token = use_budget(self.budget)
        try:
            with RoomToRecurse():
                try:
                    work()
                    self._run_jobs()
                except _AtOnce as end:
                    self._jobs.clear()
                    self.outcome = self.outcome or end.outcome
                self._finish()
        except LimitError as error:
            self._fail(ErrorInfo("LimitError", error.message, line=error.line))
        except RecursionError as error:
            line = line_of_error(error)
            message = f"calls or data nested deeper than {self.limits.depth} calls may be"
            self._fail(ErrorInfo("LimitError", message, line=line))
        except (InternalError, EditRefused):
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise InternalError(problem, line_of_error(error)) from error
        finally:
            restore_budget(budget_token)
            _running.reset(machine_token)
        if self.outcome is not None:
            # They refer to the machine, which so would be garbage only for the collector.
            self.callables.clear()
        commands, self._commands = self._commands, []
        return Turn(tuple(commands), self.outcome)

    def _fail(self, error: ErrorInfo) -> None:
        """End for a limit: what was asked for in this turn is not asked for."""
        self._commands.clear()
        self._jobs.clear()
        self.outcome = Failed(error)

    def _begin(self) -> None:
        code = self.program.functions[0]
        code.ready()
        assert self.main.reactions is not None
        self.main.handled = True
        self.main.reactions.append(_Ending())
        frame = self.main_frame = Frame(code, None, self.main)
        self.budget.depth = 1
        self._run(frame, ())

    def _take(self, event: Event) -> None:
        match event:
            case TaskCompleted(n, value):
                request = self.requests.pop(n, None)
                if request is not None:
                    self.resolve(request.promise, self._imported(value, event))
            case TaskFailed(n, error):
                request = self.requests.pop(n, None)
                if request is not None:
                    self.reject(request.promise, _error_value(error, request.line))
            case TimerFired(n):
                request = self.requests.pop(n, None)
                if request is not None:
                    self.resolve(request.promise, UNDEFINED)
                else:
                    self._signal_timeout(n)
            case SignalReceived(name, payload):
                self._deliver(name, payload, event)
            case CancelRequested(reason):
                self._cancel(reason or "the execution was cancelled")
            case Forked(context, edits):
                self._go_on_as(context, edits)

    def _go_on_as(self, facts: dict[str, Any], edits: Sequence[Edit]) -> None:
        """Be another execution from here on, with some variables edited."""
        from flowlang import editing  # it stands on this module

        for one in edits:
            editing.edit(self, one)
        self.facts = facts
        self.execution_id = str(facts.get("executionId", ""))
        if (seen := self.__dict__.pop("context", None)) is not None:
            # Whoever holds it sees the new facts, as who reads it from a snapshot does.
            fresh = self.context
            seen.clear()
            seen.update(fresh)
            self.__dict__["context"] = seen

    def _cancel(self, message: str) -> None:
        """Let go of all that is waited for, in the order in which it was asked; signals last."""
        error = ErrorInfo("CancelledError", message, type="cancelled")
        for n, request in sorted(self.requests.items()):
            if request.kind == "timer":
                self._commands.append(CancelTimer(n))
            elif request.kind in ("task", "workflow"):
                self._commands.append(CancelChild(n))
        for waiter in self.waiters:
            if waiter.timer is not None:
                self._commands.append(CancelTimer(waiter.timer))
        asked = [request for _, request in sorted(self.requests.items())]
        waiting: list[Request | Waiter] = [*asked, *self.waiters]
        self.requests.clear()
        self.waiters.clear()
        for each in waiting:
            # What nobody awaits need not be told of as a rejection that nobody handled.
            each.promise.handled = True
            self.reject(each.promise, _error_value(error, each.line))

    def _imported(self, value: Any, event: Event) -> Value:
        from flowlang.library.border import import_value

        try:
            return import_value(value)
        except ValueError as error:
            raise InternalError(f"{type(event).__name__} carries {error}") from error

    def _finish(self) -> None:
        """See how things stand, with no job left."""
        for promise in self._rejections:
            charge_steps(2)
            if not promise.handled:
                value = promise.value
                line = value.line if isinstance(value, JSError) else None
                place = "" if line is None else f" (line {line})"
                self._remark("error", f"unhandled rejection: {described(value)}{place}")
        self._rejections.clear()
        if self.outcome is None and not self.requests and not self.waiters:
            self.outcome = Failed(self._deadlock())

    def _ended(self, state: int, value: Value) -> Completed | Failed:
        """What a result, or what was thrown, is to the world."""
        from flowlang.library.border import export_value

        if state == REJECTED:
            return Failed(error_info(value))
        try:
            return Completed(export_value(value, "the result"))
        except Throw as thrown:
            return Failed(error_info(thrown.value))

    def _deadlock(self) -> ErrorInfo:
        suspended = self.where()
        places = ", ".join(f"line {at.line} (await {at.awaits})" for at in suspended)
        waiting = (
            f"waiting at {places}" if places else "the promise that was returned never settles"
        )
        return ErrorInfo(
            "DeadlockError",
            f"nothing can go on and nothing was asked of the outside; {waiting}",
            line=suspended[0].line if suspended else None,
        )

    # ------------------------------------------------------------------ functions

    def call_async(self, code: FunctionCode, scope: Any, *args: Value) -> JSPromise:
        """Call an async function: runs it to its first `await`."""
        budget = self.budget
        depth = budget.depth
        if depth >= budget.depth_limit:
            budget.too_deep()
        budget.depth = depth + 1
        charge_memory(2 * OBJECT_UNITS + ELEMENT_UNITS * code.slots)
        promise = JSPromise()
        try:
            self._run(Frame(code, scope, promise), args)
        finally:
            budget.depth = depth
        return promise

    def call_flat(self, code: FunctionCode, scope: Any, *args: Value) -> Value:
        """Call a function that is made of parts only because it is deeply nested."""
        budget = self.budget
        depth = budget.depth
        if depth >= budget.depth_limit:
            budget.too_deep()
        budget.depth = depth + 1
        frame = Frame(code, scope, None)
        slots = frame.slots
        part, value = 0, args
        try:
            while True:
                at = part
                try:
                    while at >= 0:
                        part = at
                        at = code.parts[part](self, frame, slots, scope, value)
                    return frame.value
                except Throw as thrown:
                    handler = code.handlers[part]
                    if handler is None:
                        raise
                    part, value = handler, thrown.value
        finally:
            budget.depth = depth

    def _run(self, frame: Frame, value: Value) -> None:
        """Run a frame with the value it waited for, until it waits again or ends."""
        code = frame.code
        parts = code.parts
        slots = frame.slots
        scope = frame.scope
        part = frame.part
        promise = frame.promise
        assert promise is not None
        while True:
            at = part
            try:
                while at >= 0:
                    part = at
                    at = parts[part](self, frame, slots, scope, value)
                break
            except Throw as thrown:
                handler = code.handlers[part]
                if handler is None:
                    self.reject(promise, thrown.value)
                    return
                part, value = handler, thrown.value
        result = frame.value
        frame.value = UNDEFINED
        if at != AWAIT:
            if frame is self.main_frame:
                self.main_frame = None  # it waits at no `await`, its promise may for another one
            self.resolve(promise, result)
            return
        awaited = self.promise_resolve(result)
        awaited.handled = True
        if awaited.state == PENDING:
            assert awaited.reactions is not None
            awaited.reactions.append(frame)
        else:
            self._jobs.append((frame, awaited.state, awaited.value))

    def _throw_into(self, frame: Frame, value: Value) -> None:
        """Run a frame whose awaited promise was rejected."""
        handler = frame.code.handlers[frame.part]
        if handler is None:
            assert frame.promise is not None
            self.reject(frame.promise, value)
        else:
            frame.part = handler
            self._run(frame, value)

    # ------------------------------------------------------------------ jobs

    def _run_jobs(self) -> None:
        jobs = self._jobs
        budget = self.budget
        while jobs:
            reaction, state, value = jobs.popleft()
            budget.depth = 1
            if reaction.__class__ is Frame:
                if state == FULFILLED:
                    self._run(reaction, value)
                else:
                    self._throw_into(reaction, value)
            elif reaction.__class__ is Reaction:
                self._react(reaction, state, value)
            elif reaction.__class__ is _Ending:
                self.outcome = self._ended(state, value)
            else:
                self._call_then(reaction, value)

    def _react(self, reaction: Reaction, state: int, value: Value) -> None:
        handler: Any = reaction.on_fulfilled if state == FULFILLED else reaction.on_rejected
        derived = reaction.derived
        if isinstance(handler, JSCallable):
            try:
                value = handler.call(value)  # type: ignore[attr-defined]  # every callable has it
            except Throw as thrown:
                state, value = REJECTED, thrown.value
            else:
                state = FULFILLED
        if derived is None:
            return
        if state == FULFILLED:
            self.resolve(derived, value)
        else:
            self.reject(derived, value)

    def _call_then(self, job: _ThenableJob, thenable: Value) -> None:
        if job.then is None:
            # A promise's own `then`, called with functions that would settle the promise alike.
            self.then(thenable, UNDEFINED, UNDEFINED, job.promise)
            return
        charge_memory(2 * OBJECT_UNITS)
        already = [False]
        resolve = ResolveFunction(job.promise, already, False)
        reject = ResolveFunction(job.promise, already, True)
        try:
            call_on(job.then, thenable, resolve, reject)
        except Throw as thrown:
            reject.call(thrown.value)

    def pending(self) -> Iterator[Any]:
        """Within a turn, what hangs on the jobs that are still to be done: a frame stands for
        itself, it goes on next. All is data that snapshots understand."""
        for reaction, _, value in self._jobs:
            if reaction.__class__ is _ThenableJob:
                yield reaction.promise
                yield reaction.then
            else:
                yield reaction
            yield value

    # ------------------------------------------------------------------ promises

    def new_promise(self) -> JSPromise:
        """A pending promise."""
        charge_memory(OBJECT_UNITS)
        return JSPromise()

    def promise_resolve(self, value: Value) -> JSPromise:
        """A promise for a value: the value itself if it is one, else one resolved with it.

        One that was given a `constructor` of its own passes for another kind of promise.
        """
        if value.__class__ is JSPromise and (
            value.props is None or _is_promise_constructor(get_member(value, "constructor"))
        ):
            return value
        promise = self.new_promise()
        self.resolve(promise, value)
        return promise

    def resolve(self, promise: JSPromise, value: Value) -> None:
        """What a promise's resolve function does: fulfils, or follows a thenable."""
        if promise.state != PENDING:
            return
        kind = value.__class__
        if kind in PRIMITIVES:
            self._settle(promise, FULFILLED, value)
            return
        if value is promise:
            self.reject(promise, make_error("TypeError", "a promise was resolved with itself"))
            return
        if kind is JSPromise and value.props is None:
            self._jobs.append((_ThenableJob(promise, None), 0, value))
            return
        try:
            then = get_member(value, "then")
        except Throw as thrown:
            self.reject(promise, thrown.value)
            return
        if isinstance(then, JSCallable):
            self._jobs.append((_ThenableJob(promise, then), 0, value))
        else:
            self._settle(promise, FULFILLED, value)

    def reject(self, promise: JSPromise, reason: Value) -> None:
        """Reject a promise; logged at the end of the turn unless something handles it by then."""
        if promise.state == PENDING:
            if not promise.handled:
                self._rejections.append(promise)
            self._settle(promise, REJECTED, reason)

    def _settle(self, promise: JSPromise, state: int, value: Value) -> None:
        reactions, promise.reactions = promise.reactions, None
        promise.state = state
        promise.value = value
        for reaction in reactions or ():
            self._jobs.append((reaction, state, value))

    def then(
        self,
        promise: JSPromise,
        on_fulfilled: Value,
        on_rejected: Value,
        derived: JSPromise | None,
    ) -> None:
        """React to a promise: handlers that are no functions pass the outcome on to `derived`."""
        charge_memory(OBJECT_UNITS)
        promise.handled = True
        reaction = Reaction(on_fulfilled, on_rejected, derived)
        if promise.state == PENDING:
            assert promise.reactions is not None
            promise.reactions.append(reaction)
            _sweep(promise.reactions)
        else:
            self._jobs.append((reaction, promise.state, promise.value))

    # ------------------------------------------------------------------ asking the world

    def run_task(self, name: str, inputs: dict[str, Any], options: dict[str, Any]) -> JSPromise:
        """Ask for a task; inputs and options are plain values that were checked."""
        n, line = self._number(), current_line() or 0
        self._commands.append(RunTask(n, name, inputs, options, line))
        return self._request(n, Request("task", self.new_promise(), line, name=name))

    def run_workflow(self, name: str, inputs: dict[str, Any], options: dict[str, Any]) -> JSPromise:
        """Ask for a child workflow and wait for its output."""
        n, line = self._number(), current_line() or 0
        self._commands.append(RunWorkflow(n, name, inputs, options, True, line))
        return self._request(n, Request("workflow", self.new_promise(), line, name=name))

    def start_workflow(self, name: str, inputs: dict[str, Any], options: dict[str, Any]) -> str:
        """Ask for a child workflow that nobody waits for; its execution id."""
        n, line = self._number(), current_line() or 0
        self._commands.append(RunWorkflow(n, name, inputs, options, False, line))
        given = options.get("id")
        return given if isinstance(given, str) else f"{self.execution_id}/{n}"

    def send_signal(self, execution_id: str, name: str, payload: Any) -> JSPromise:
        """Send a signal to another execution."""
        n, line = self._number(), current_line() or 0
        self._commands.append(SendSignal(n, execution_id, name, payload, line))
        return self._request(n, Request("sending", self.new_promise(), line, name=execution_id))

    def start_timer(self, due_ms: int) -> JSPromise:
        """A promise that resolves at `due_ms`, unix ms."""
        n, line = self._number(), current_line() or 0
        self._commands.append(StartTimer(n, due_ms, line))
        return self._request(n, Request("timer", self.new_promise(), line, due_ms=due_ms))

    def wait_signal(self, name: str, timeout_ms: int | None) -> JSPromise:
        """A promise of the next signal of that name that nobody took; first come, first served."""
        line = current_line() or 0
        promise = self.new_promise()
        sent = self.signals.get(name)
        if sent:
            self.resolve(promise, sent.pop(0))
            if not sent:
                del self.signals[name]
            return promise
        timer = due_ms = None
        if timeout_ms is not None:
            timer, due_ms = self._number(), self.now_ms + timeout_ms
            self._commands.append(StartTimer(timer, due_ms, line))
        self.waiters.append(Waiter(name, promise, timer, due_ms, line))
        return promise

    def restart(self, inputs: dict[str, Any], definition: Literal["latest", "same"]) -> NoReturn:
        """End here and now, to go on as a new execution: no statement runs after this one."""
        from flowlang.library.border import export_value

        signals = tuple(
            SignalReceived(name, export_value(value, f"the payload of signal {named(name)}"))
            for name, values in self.signals.items()
            for value in values
        )
        raise _AtOnce(Restarted(inputs, definition, signals))

    def set_state(self, key: str, plain: Any) -> None:
        """Show a plain value to outsiders."""
        charge_memory(COMMAND_UNITS)
        charge_steps(2)
        self.state[key] = plain
        self._commands.append(SetState(key, plain))

    def set_attribute(self, key: str, plain: str | int | float | bool | None) -> None:
        """Let outsiders find the execution by this value; None takes the attribute away."""
        charge_memory(COMMAND_UNITS)
        charge_steps(2)
        if plain is None:
            self.attributes.discard(key)
        else:
            self.attributes.add(key)
        self._commands.append(SetAttribute(key, plain))

    def log(self, level: str, text: str) -> None:
        """Log a line of the program's console. It is kept in the history, so it takes memory."""
        charge_memory(OBJECT_UNITS + len(text))
        charge_steps(1 + len(text) // TEXT_PER_STEP)
        self._commands.append(Log(level, from_units(text), current_line() or 0))

    def _remark(self, level: str, text: str) -> None:
        shown = text if len(text) <= LONGEST_REMARK else f"{text[:LONGEST_REMARK]}…"
        charge_memory(OBJECT_UNITS + len(shown))
        self._commands.append(Log(level, shown, is_remark=True))

    def _number(self) -> int:
        """The number of the next thing asked of the world, charged for."""
        charge_memory(COMMAND_UNITS)
        charge_steps(3)
        self.numbered += 1
        return self.numbered

    def _request(self, n: int, request: Request) -> JSPromise:
        self.requests[n] = request
        return request.promise

    def _deliver(self, name: str, payload: Any, event: Event) -> None:
        value = self._imported(payload, event)
        for position, waiter in enumerate(self.waiters):
            if waiter.name == name:
                del self.waiters[position]
                if waiter.timer is not None:
                    self._commands.append(CancelTimer(waiter.timer))
                self.resolve(waiter.promise, value)
                return
        self.signals.setdefault(name, []).append(value)

    def _signal_timeout(self, n: int) -> None:
        for position, waiter in enumerate(self.waiters):
            if waiter.timer == n:
                del self.waiters[position]
                message = f"no signal {named(waiter.name)} came in time"
                error = ErrorInfo("TimeoutError", message, type="timeout")
                self.reject(waiter.promise, _error_value(error, waiter.line))
                return

    # ------------------------------------------------------------------ randomness

    def random(self) -> float:
        """The next random number in [0, 1): the upper 53 bits of the next 64."""
        return (self._next_bits() >> 11) * 2.0**-53

    def random_uuid(self) -> str:
        """The next random UUID of version 4, from the next two times 64 bits."""
        bits = self._next_bits() << 64 | self._next_bits()
        bits = bits & ~(0xF << 76) | 4 << 76
        bits = bits & ~(0x3 << 62) | 2 << 62
        digits = f"{bits:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _next_bits(self) -> int:
        """64 bits by SplitMix64, which is part of the language version."""
        self.random_state = (self.random_state + 0x9E3779B97F4A7C15) & _MASK
        bits = self.random_state
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & _MASK
        return bits ^ bits >> 31

    # ------------------------------------------------------------------ where it stands

    def where(self) -> list[Suspended]:
        """The functions that wait: first those that an answer from outside leads to, in the order
        in which the answers were asked for, then the program itself, then all others. None once
        the execution has ended."""
        from flowlang import whereabouts  # it stands on this module

        return [] if self.outcome is not None else whereabouts.suspended(self)

    def evaluate(self, expression: str, at: Position) -> Value:
        """What an expression gives where one of the functions stands. It can only read.

        Raises:
            EvaluationRefused: it is no expression, or would do more than read.
            EvaluationError: it throws, or goes over a limit.
        """
        from flowlang import evaluation  # it stands on this module

        return evaluation.evaluate(self, expression, at)


def _sweep(reactions: list[Any]) -> None:
    """Drop spent reactions each time the list has doubled: a promise that takes part in one race
    after the other shall not remember them all."""
    count = len(reactions)
    if count >= _SWEPT_FROM and not count & (count - 1):
        reactions[:] = [
            one for one in reactions if one.__class__ is not Reaction or not one.is_spent
        ]


_SWEPT_FROM: Final = 8
"""Reactions; most promises have one or two."""


# ---------------------------------------------------------------------------------------- errors


def error_info(value: Value) -> ErrorInfo:
    """What leaves the program when `value` was thrown and nobody caught it."""
    from flowlang.library.border import export_value

    if not isinstance(value, JSError):
        try:
            details = export_value(value, "the thrown value")
        except Throw:
            details = None
        return ErrorInfo("Error", _text_of(value), details=details)
    kind, details = value.get("type"), value.get("details")
    try:
        details = export_value(details, "the error's details")
    except Throw:
        details = None
    return ErrorInfo(
        _text_of(value["name"]),
        _text_of(value["message"]),
        type=kind if isinstance(kind, str) else None,
        details=details,
        line=value.line,
    )


def _text_of(value: Value) -> str:
    """`String(value)` for people; a value that refuses to be a string is named by its type."""
    try:
        text = to_string(value)
        charge_steps(1 + len(text) // TEXT_PER_STEP)
        return from_units(text)
    except Throw:
        return "a value that cannot be shown"


def described(value: Value) -> str:
    """A thrown value for people."""
    if not isinstance(value, JSError):
        return _text_of(value)
    return f"{_text_of(value['name'])}: {_text_of(value['message'])}"


def _error_value(info: ErrorInfo, line: int) -> JSError:
    """The error that a program catches for a failure that came from outside."""
    from flowlang.library.border import import_value

    error = make_error("Error", to_units(info.message))
    error.define_hidden("name", to_units(info.name))
    if info.type is not None:
        error["type"] = info.type
    if info.details is not None:
        error["details"] = import_value(info.details)
    error.line = line or None
    return error


_MASK: Final = 2**64 - 1
