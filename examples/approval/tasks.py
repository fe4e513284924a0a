"""How people are asked: here by a line on standard error, in earnest by mail or chat."""

import sys

from rhythm import task


@task
def ask(approver: str, amount: float, reminded: int) -> None:
    """Ask for a word; after the first one, say that others did not answer."""
    others = f" ({reminded} before you did not answer)" if reminded else ""
    print(f"  to {approver}: may {amount:g} be spent?{others}", file=sys.stderr)
