"""Links between pages lead to files and headings that there are, and no page is out of reach."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)(`{3,})[^\n]*\n.*?^\1\2 *$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without its code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def targets(page: Path) -> list[tuple[str, Path, str]]:
    """Each link to a file of ours: as it is written, the file, and the heading or nothing."""
    found = []
    for link in LINK.findall(prose(page)):
        if "://" not in link and not link.startswith("mailto:"):
            name, _, heading = link.partition("#")
            found.append((link, (page.parent / name).resolve() if name else page, heading))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [
        link
        for link, path, heading in targets(page)
        if not path.exists() or (heading and heading not in anchors(path))
    ]

    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [PAGES[0]]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += [path for _, path, _ in targets(page) if path.suffix == ".md"]

    assert set(PAGES) - reached == set()
