"""Which tasks and workflows a program names."""

from __future__ import annotations

import flowlang
from flowlang.asked_for import AskedFor, asked_for


def test_literal_names_are_found_once_each_wherever_they_stand() -> None:
    program = flowlang.compile(
        """const pay = async () => await Task.run("pay", { a: 1 });
        if (Inputs.again) { await Task.run("pay") }
        const all = [Workflow.start("report"), Task.run(Inputs.x)];
        return await Workflow.run("report")
        """
    )

    assert asked_for(program) == [
        AskedFor("task", "pay", 1),
        AskedFor("workflow", "report", 3),
    ]


def test_what_the_program_declares_itself_asks_for_nothing() -> None:
    program = flowlang.compile('const Task = { run: (x) => x };\nreturn Task.run("pay")')

    assert asked_for(program) == []
