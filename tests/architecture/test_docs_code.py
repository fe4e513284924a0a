"""Code in README.md and docs/ is code: it compiles, and what claims to run gives what it claims.

After the language, a fence may name a file (`title=hello.py`), be run (`run`; by pytest if its name
begins with `test_`), or be the output of a file (`output=hello.py`, whole; `…` in it stands for
anything). The files of a page lie in one
folder. In `console` blocks every `rhythm` command and option must exist.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

import flowlang
from rhythm.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]

FENCE = re.compile(r"^( *)(`{3,})(\w*)([^\n`]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def named(self, what: str) -> str | None:
        """The value of `what=value` among the words after the language."""
        return next(
            (word[len(what) + 1 :] for word in self.words if word.startswith(f"{what}=")), None
        )

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, text: str) -> list[Block]:
    """All fenced blocks, in order."""
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found[3],
            tuple(found[4].split()),
            re.sub(f"^{found[1]}", "", found[5], flags=re.MULTILINE),
        )
        for found in FENCE.finditer(text)
    ]


ALL = [
    block for page in PAGES for block in blocks(page.relative_to(ROOT).as_posix(), page.read_text())
]


def check(block: Block) -> None:
    """Complain about a block that cannot be what its language says."""
    if block.language == "python":
        compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    elif (block.named("title") or "").endswith(".flow"):
        found = flowlang.check(block.text, path=str(block))
        assert not found, "\n".join(map(str, found))
    elif block.language == "console":
        for words in commands(block.text):
            check_command(words)


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `rhythm` command after a `$` prompt; lines ending in a backslash go on."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.startswith("$ "):
            words = shlex.split(line[2:], comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                del words[0]
            if words and words[0].rpartition("/")[2] == "rhythm":
                yield words[1:]


def check_command(words: list[str]) -> None:
    """Complain about a command or option that `rhythm` does not have."""
    if not words or words[0].startswith("-"):
        return
    assert words[0] in main.commands, f"there is no command rhythm {words[0]}"
    command, words = main.commands[words[0]], words[1:]
    if isinstance(command, click.Group):
        assert words and words[0] in command.commands, f"{command.name} needs one of its commands"
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    for word in words:
        option = word.partition("=")[0]
        assert not option.startswith("-") or option in known, (
            f"rhythm {command.name} has no option {option}"
        )


@pytest.mark.parametrize("block", ALL, ids=str)
def test_a_block_is_what_its_language_says(block: Block) -> None:
    check(block)


@pytest.mark.parametrize("page", [page.relative_to(ROOT).as_posix() for page in PAGES])
def test_what_claims_to_run_gives_the_output_it_claims(page: str, tmp_path: Path) -> None:
    mine = [block for block in ALL if block.page == page]
    for block in mine:
        if title := block.named("title"):
            path = tmp_path / title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
    outputs = {block.named("output"): block.text for block in mine if block.named("output")}

    for block in mine:
        if "run" not in block.words:
            continue
        title = block.named("title")
        assert title, f"{block} is to be run and has no title"
        ran = subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", *runner(title), title],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        if title in outputs:
            assert_like(ran.stdout, outputs[title])


def runner(title: str) -> list[str]:
    """What runs a file, besides Python."""
    return ["-m", "pytest", "-q"] if title.startswith("test_") else []


def assert_like(actual: str, shown: str) -> None:
    """Complain when `actual` is not what is shown; `…` stands for anything."""
    pattern = ".*".join(map(re.escape, shown.split("…")))
    assert re.fullmatch(pattern, actual, re.DOTALL), f"got\n{actual}\nthe page shows\n{shown}"


def test_there_is_code_to_look_at() -> None:
    assert any(block.language == "python" and "run" in block.words for block in ALL)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nawait f(\n```\n",
        "```js title=x.flow\nclass A {}\n```\n",
        "```console\n$ rhythm strat x\n```\n",
        "```console\n$ RHYTHM_DATABASE_URL=x rhythm get ID \\\n    --colour\n```\n",
    ],
)
def test_a_block_that_is_wrong_is_found(text: str) -> None:
    [block] = blocks("page.md", text)

    with pytest.raises((AssertionError, SyntaxError)):
        check(block)


def test_an_output_that_differs_is_found() -> None:
    assert_like("id exec_1 done\n", "id … done\n")

    with pytest.raises(AssertionError):
        assert_like("id exec_1 failed\n", "id … done\n")
