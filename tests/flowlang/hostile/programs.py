"""Programs that mean harm, in the text files beside this one: one a line, `//` begins a comment.

Each of them goes over a limit of the language, but for those in `legal.txt`, which do much that is
allowed. Lines are programs of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

SUBJECTS: Final = (
    "loops", "promises", "world", "texts", "numbers", "arrays", "objects", "recursion", "json",
)  # fmt: skip


def programs(subject: str) -> list[str]:
    """The programs about a subject, or the "legal" ones."""
    lines = Path(__file__).with_name(f"{subject}.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("//")]
