"""The library has Node 20's members, but for what the language leaves out, with name and length.

`node/members.json` is Node's own list, written by `node/members.js`; these tests need no Node.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import flowlang
from flowlang.library import REGISTRY

NODE: dict[str, list[object] | None] = json.loads(
    (Path(__file__).parent / "node" / "members.json").read_text()
)

LEFT_OUT = re.compile(
    r"""
      Object\.(create|definePropert(y|ies)|getOwnPropertyDescriptors?|[gs]etPrototypeOf
              |getOwnPropertySymbols)
    | Object\.prototype\.(__\w+__|isPrototypeOf)             # Annex B, prototypes
    | String\.raw | String\.prototype\.(match|matchAll|search) # templates, regular expressions
    | .*\.(localeCompare|toLocale\w+)                         # locales
    | String\.prototype\.(anchor|big|blink|bold|fixed|fontcolor|fontsize|italics|link|small
              |strike|sub|substr|sup|trimLeft|trimRight)       # Annex B
    | Date\.prototype\.(getYear|setYear|toGMTString)          # Annex B
    | Error\.(captureStackTrace|prepareStackTrace|stackTraceLimit) # V8's own
    """,
    re.VERBOSE,
)

OUR_OWN = re.compile(
    r"(Task|Workflow|Timer|Signal|State|Attributes|console|crypto)\.\w+|Promise\.(any|race)_kv"
    r"|Iterator\.prototype\.next"
)

STANDARD_LENGTHS = {"structuredClone": 1}
"""Where Node 20 says 0 and the standard 1."""

SAMPLES = {
    "Object": "{}", "Array": "[]", "String": "''", "Number": "0", "Boolean": "true",
    "Date": "new Date(0)", "Map": "new Map()", "Set": "new Set()", "Promise": "Promise.resolve()",
    "Function": "() => 0",
}  # fmt: skip

REFUSED = ("Object.prototype.__proto__", "Function.prototype.constructor")
"""Reading these is an error of its own."""

OWNERS = sorted({name.rpartition(".")[0] for name in NODE if "." in name})


def sample(owner: str) -> str:
    """An expression whose members are those that `owner` names."""
    kind, _, is_prototype = owner.partition(".")
    return SAMPLES.get(kind, f"new {kind}([])") if is_prototype else kind


@pytest.mark.parametrize("owner", OWNERS)
def test_members_are_nodes(owner: str) -> None:
    expected = {
        name.rpartition(".")[2]: about
        for name, about in NODE.items()
        if name.rpartition(".")[0] == owner and name not in REFUSED
    }
    outcome = flowlang.evaluate(
        f"const owner = {sample(owner)};\n"
        "const show = (value) => typeof value === 'function' ? [value.name, value.length]\n"
        "  : value === undefined ? 'missing' : null;\n"
        f"return Object.fromEntries({json.dumps(list(expected))}.map((key) => "
        "[key, show(owner[key])]))"
    )

    assert outcome.value == {
        key: "missing" if LEFT_OUT.fullmatch(f"{owner}.{key}") else about
        for key, about in expected.items()
    }


@pytest.mark.parametrize(
    "name", [name for name, about in NODE.items() if about and LEFT_OUT.fullmatch(name)]
)
def test_calling_what_is_left_out_says_so(name: str) -> None:
    owner, _, method = name.rpartition(".")

    outcome = flowlang.evaluate(f"const name = '{method}'; return ({sample(owner)})[name]('x')")

    assert outcome.error is not None
    assert outcome.error.name == "TypeError"
    assert outcome.error.message.endswith("not part of Flow")


def test_a_method_that_nobody_has_is_no_function() -> None:
    for value in ("'text'", "({})", "[]", "Object", "new Date(0)", "new Map()"):
        for method in ("matches", "match" if value != "'text'" else "getYear"):
            outcome = flowlang.evaluate(f"const name = '{method}'; return ({value})[name]('x')")

            assert outcome.error is not None
            assert outcome.error.message == f"{method} is not a function"


def test_functions_that_stand_alone_are_nodes() -> None:
    alone = {name: about for name, about in NODE.items() if about and "." not in name}

    outcome = flowlang.evaluate(
        f"return {{ {', '.join(f'{name}: [{name}.name, {name}.length]' for name in alone)} }}"
    )

    assert outcome.value == {
        name: [about[0], STANDARD_LENGTHS.get(name, about[1])] for name, about in alone.items()
    }


def test_nothing_is_extra() -> None:
    extra = {name for name in REGISTRY if name not in NODE and not OUR_OWN.fullmatch(name)}

    assert extra == set()


def test_nothing_left_out_is_registered() -> None:
    assert [name for name in REGISTRY if LEFT_OUT.fullmatch(name)] == []
