"""The debugger's screen: keys move a cursor over a history, panes show what is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar, Final

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from flowlang import EvaluationError, show
from rhythm.debugger import panes
from rhythm.errors import RhythmError
from rhythm.history.cursor import Replay

_CONSOLE_LINES: Final = 3

HELP: Final = """\
n →      to the next statement            N ←      back to the one before
o        over calls                       u        out of the function
] [      next, previous event             g        go to an event
home end to the beginning, to the end
↑ ↓      choose a line                    b        breakpoint on it, or none
r R      run on, back to a breakpoint or where the condition holds
c        condition to run to, such as  total > 100
e        evaluate an expression here
/        search the source
f        follow a running execution
?        this page                        q        quit

▶ is about to run   ◇ waits   ● breakpoint   + changed by the last step
Numbers before lines say how often they were run, up to here.
"""

Updates = Callable[[], AsyncIterator[Replay]]
"""New cursors on an execution that goes on, each when something has happened."""


class Debugger(App[None]):
    """A history on a full screen.

    Args:
        cursor: where to begin.
        updates: of an execution that still runs; None for one that cannot change.
    """

    TITLE = "rhythm debug"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""
    CSS = """
    Static { text-wrap: nowrap; text-overflow: ellipsis; }
    #timeline { height: 2; }
    #source { width: 1fr; border: solid $primary; }
    #side { width: 40%; }
    #variables { height: 2fr; border: solid $primary; }
    #stack { height: 1fr; border: solid $primary; }
    #console { height: 5; border: solid $primary; }
    #message { height: 1; }
    #prompt { display: none; height: 1; border: none; padding: 0; }
    Help { align: center middle; }
    Help Static { width: auto; height: auto; border: solid $primary; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n,right", "step", "step"),
        Binding("N,left", "step_back", "back"),
        Binding("o", "over", "over"),
        Binding("u", "out", "out", show=False),
        Binding("right_square_bracket", "next_event", "event", key_display="]"),
        Binding("left_square_bracket", "previous_event", "before", key_display="["),
        Binding("home", "first", "start", show=False),
        Binding("end", "last", "end", show=False),
        Binding("up", "select(-1)", "up", show=False),
        Binding("down", "select(1)", "down", show=False),
        Binding("b", "breakpoint", "breakpoint"),
        Binding("r", "run", "run"),
        Binding("R", "run_back", "run back", show=False),
        Binding("c", "ask('condition')", "condition", show=False),
        Binding("e", "ask('evaluate')", "evaluate"),
        Binding("g", "ask('event')", "go to", show=False),
        Binding("slash", "ask('search')", "search", show=False),
        Binding("f", "follow", "follow", show=False),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "quit", "quit"),
        Binding("escape", "leave_prompt", "leave", show=False),
    ]

    def __init__(self, cursor: Replay, updates: Updates | None = None) -> None:
        super().__init__()
        self.cursor, self._updates = cursor, updates
        self.breakpoints: set[int] = set()
        self.condition: str | None = None
        self.message = f"{cursor.created.target} {cursor.execution_id}   ? for help"
        self.selected = panes.current_line(cursor) or 1
        self._before: dict[str, str] = {}
        self._now = panes.shown_variables(cursor)
        self._asks = ""

    def compose(self) -> ComposeResult:
        yield Static(id="timeline")
        with Horizontal():
            with VerticalScroll(id="source", can_focus=False):
                yield Static(id="text")
            with Vertical(id="side"):
                with VerticalScroll(id="variables", can_focus=False):
                    yield Static(id="values")
                with VerticalScroll(id="stack", can_focus=False):
                    yield Static(id="calls")
        with VerticalScroll(id="console", can_focus=False):
            yield Static(id="lines")
        yield Static(id="message")
        yield Input(id="prompt", compact=True)
        yield Footer()

    def on_mount(self) -> None:
        for pane, title in (("source", "source"), ("variables", "variables"), ("stack", "calls")):
            self.query_one(f"#{pane}").border_title = title
        self.query_one("#source").border_title = self.cursor.program.path
        self.query_one("#console").border_title = "console"
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    # ------------------------------------------------------------------ keys

    def action_step(self) -> None:
        if self.cursor.is_over:
            self.message = f"the end: it {panes.ended(self.cursor)}"
        else:
            self.cursor.forward()
        self._moved()

    def action_step_back(self) -> None:
        self.cursor.back()
        self._moved()

    def action_over(self) -> None:
        self.cursor.over()
        self._moved()

    def action_out(self) -> None:
        self.cursor.out()
        self._moved()

    def action_next_event(self) -> None:
        self.cursor.next_event()
        self._moved()

    def action_previous_event(self) -> None:
        self.cursor.previous_event()
        self._moved()

    def action_first(self) -> None:
        self.cursor.goto(self.cursor.first, stop=1)
        self._moved()

    def action_last(self) -> None:
        self.cursor.goto(self.cursor.last)
        self._moved()

    def action_select(self, by: int) -> None:
        lines = len(self.cursor.program.source.splitlines())
        self.selected = min(max(self.selected + by, 1), lines)
        self._draw()

    def action_breakpoint(self) -> None:
        if self.selected not in self.cursor.lines():
            self.message = f"no statement begins on line {self.selected}"
        else:
            self.breakpoints ^= {self.selected}
        self._draw()

    def action_run(self) -> None:
        self._run(self.cursor.run_to_any)

    def action_run_back(self) -> None:
        self._run(self.cursor.run_back_to_any)

    def _run(self, go: Callable[[set[int], str | None], object]) -> None:
        if not self.breakpoints and self.condition is None:
            self.message = "set a breakpoint with b, or a condition with c"
        elif self._tried(lambda: go(self.breakpoints, self.condition)) is None:
            self.message = "it stops nowhere on the way"
        self._moved()

    def action_ask(self, what: str) -> None:
        self._asks = what
        prompt = self.query_one("#prompt", Input)
        prompt.placeholder = {
            "condition": "condition to run to, empty for none",
            "evaluate": "expression to evaluate here",
            "event": f"event to go to, 1 to {self.cursor.last}",
            "search": "text to search in the source",
        }[what]
        prompt.value = ""
        prompt.display = True
        prompt.focus()

    def action_leave_prompt(self) -> None:
        self._close_prompt()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text, asks = event.value.strip(), self._asks
        self._close_prompt()
        getattr(self, f"_take_{asks}")(text)

    def _close_prompt(self) -> None:
        prompt = self.query_one("#prompt", Input)
        prompt.display = False
        self.set_focus(None)

    def _take_condition(self, text: str) -> None:
        self.condition = text or None
        self.message = f"runs to where {text}" if text else "no condition"
        self._draw()

    def _take_evaluate(self, text: str) -> None:
        value = self._tried(lambda: show(self.cursor.evaluate(text)))
        if value is not None:
            self.message = f"{text} = {value}"
        self._draw()

    def _take_event(self, text: str) -> None:
        if text.isdecimal():
            self._tried(lambda: self.cursor.goto(int(text)))
        else:
            self.message = f"{text!r} is no number of an event"
        self._moved()

    def _take_search(self, text: str) -> None:
        lines = self.cursor.program.source.splitlines()
        after = [*range(self.selected, len(lines)), *range(self.selected)]
        found = next((at + 1 for at in after if text.lower() in lines[at].lower()), None)
        if not text or found is None:
            self.message = f"{text!r} is nowhere in the source"
        else:
            self.selected = found
        self._draw()

    def action_help(self) -> None:
        self.push_screen(Help())

    def action_follow(self) -> None:
        if self._updates is None:
            self.message = "it is over: there is nothing to follow"
            self._draw()
        else:
            self.message = "following"
            self._follow(self._updates)
            self._draw()

    @work(exclusive=True)
    async def _follow(self, updates: Updates) -> None:
        async for cursor in updates():
            self.cursor = cursor
            self._moved()
        self.message = "it is over"
        self._draw()

    # ------------------------------------------------------------------ inside

    def _tried(self, call: Callable[[], Any]) -> Any:
        """What it gives; None, and a message, if it cannot be."""
        try:
            return call()
        except (EvaluationError, RhythmError) as error:
            self.message = str(error)
            return None

    def _moved(self) -> None:
        self._before, self._now = self._now, panes.shown_variables(self.cursor)
        self.selected = panes.current_line(self.cursor) or self.selected
        self._draw()

    def _draw(self) -> None:
        width = max(self.size.width, 20)
        self.query_one("#timeline", Static).update(panes.timeline(self.cursor, width))
        text = panes.source(self.cursor, self.breakpoints, self.selected)
        self.query_one("#text", Static).update(text)
        self.query_one("#values", Static).update(panes.variables(self._now, self._before))
        self.query_one("#calls", Static).update(panes.stack(self.cursor))
        self.query_one("#lines", Static).update(panes.console(self.cursor, _CONSOLE_LINES))
        self.query_one("#message", Static).update(self.message)
        pane = self.query_one("#source", VerticalScroll)
        pane.scroll_to(y=self.selected - pane.size.height // 2, animate=False)
        self.message = ""


class Help(ModalScreen[None]):
    """All keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "close")
    ]

    def compose(self) -> ComposeResult:
        yield Static(HELP, markup=False)
