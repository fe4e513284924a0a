"""Write beside every program of ../programs what Node 20 says it does.

    python -m tests.flowlang.node.record            the programs without a recorded answer
    python -m tests.flowlang.node.record --all      every program
    python -m tests.flowlang.node.record --check    write nothing; fail if an answer differs

The answer is `{"status", "value", "error", "console"}`: `completed` with the value as JSON,
`failed` with the error's name, or `suspended` when the body never settles; and the console's
lines. Only this script needs Node; the tests read what it wrote.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.flowlang.node.executable import node_executable

ORACLE = Path(__file__).with_name("oracle.js")
PROGRAMS = Path(__file__).parent.parent / "programs"


def main(arguments: list[str]) -> int:
    node = node_executable()
    differing = 0
    for program in sorted(PROGRAMS.glob("*.flow")):
        answer_file = program.with_suffix(".json")
        if not arguments and answer_file.exists():
            continue
        answer = ask_node(node, program)
        if answer["status"] == "refused":
            print(f"{program.name}: Node refuses it: {answer['error']}")
            return 1
        text = json.dumps(answer, indent=1, ensure_ascii=True) + "\n"
        if not answer_file.exists() or answer_file.read_text() != text:
            differing += 1
            print(f"{program.name}: {'differs' if arguments == ['--check'] else 'recorded'}")
            if arguments != ["--check"]:
                answer_file.write_text(text)
    return 1 if arguments == ["--check"] and differing else 0


def ask_node(node: str, program: Path) -> dict[str, object]:
    """What Node does with one program."""
    done = subprocess.run(
        [node, "--expose-internals", str(ORACLE), str(program)],
        capture_output=True,
        text=True,
        env={**os.environ, "TZ": "UTC"},
        check=True,
        timeout=60,
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
