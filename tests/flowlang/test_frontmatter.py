"""The block on top of a .flow file."""

from __future__ import annotations

import pytest

import flowlang
from flowlang.parser import parse

WHOLE = """```
name: onboard_user
queue: people
timeout: 30d
description: Brings a user on board.
inputs:
  type: object
  properties:
    userId: { type: string }
  required: [userId]
retry:
  maxAttempts: 4
  initialInterval: 200ms
```
return 1
"""


def told(source: str) -> list[str]:
    return [d.message for d in flowlang.check(source) if d.severity == "error"]


def test_every_known_key_is_read() -> None:
    matter = parse(WHOLE, "x.flow").front_matter

    assert (matter.name, matter.queue) == ("onboard_user", "people")
    assert matter.description == "Brings a user on board."
    assert matter.inputs is not None and matter.inputs["required"] == ["userId"]
    assert matter.retry is not None


def test_a_program_is_named_by_it_else_by_its_file() -> None:
    assert flowlang.compile(WHOLE, path="flows/x.flow").name == "onboard_user"
    assert flowlang.compile("return 1", path="flows/x.flow").name == "x"


@pytest.mark.parametrize(
    "key", ["customerId", "order.class.id", "by ?? order.by", "`${region}/${order.id % 8}`"]
)
def test_a_key_is_an_expression_over_the_inputs(key: str) -> None:
    assert flowlang.compile(f"```\nkey: '{key}'\n```\nreturn 1").front_matter.key == key


def test_what_is_wrong_with_a_key_is_told_where_it_stands() -> None:
    (mistake,) = flowlang.check("```\nqueue: a\nkey: order.\n```\nreturn 1")

    assert (mistake.line, mistake.column) == (3, 6)
    assert mistake.hint is not None and mistake.hint.startswith("this is no expression: expected")


def test_its_lines_count() -> None:
    assert flowlang.evaluate("```\nname: a\n```\nthrow new Error('x')").error.line == 4  # type: ignore[union-attr]  # it failed


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ("nmae: a", "nmae"),
        ("name: [a]", "name"),
        ("name: &x a", "anchor"),
        ("name: !!str a", "tag"),
        ("inputs: 5", "inputs"),
        ("retry: often", "retry"),
        ("a: b: c", ""),
        ("name: a\nname: b", "name"),
    ],
)
def test_what_it_may_not_hold_is_refused(block: str, part: str) -> None:
    messages = told(f"```\n{block}\n```\nreturn 1")

    assert messages
    assert any(part in message for message in messages), messages


def test_a_block_that_is_too_long_or_never_ends_is_refused() -> None:
    assert told("```\ndescription: " + "x" * 20_000 + "\n```\n")
    assert told("```\nname: a\nreturn 1")


@pytest.mark.parametrize("text", ["yes", "010", "1:30", "2024-01-01", "0x1F", "="])
def test_what_versions_of_yaml_disagree_about_is_text(text: str) -> None:
    matter = parse(f"```\ndescription: {text}\n```\n", "x.flow").front_matter

    assert matter.description == text


@pytest.mark.parametrize("fence", ["```", "```yaml", "``` yml ", "\ufeff```"])
def test_fences_may_say_yaml_and_follow_a_byte_order_mark(fence: str) -> None:
    parsed = parse(f"{fence}\r\nname: a\r\n``` \r\nreturn 1", "x.flow")

    assert (parsed.front_matter.name, parsed.diagnostics) == ("a", ())


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("nmae: a", "front-matter-key"),
        ("name: a\nname: b", "front-matter-duplicate"),
        ("timeout: soon", "front-matter-value"),
        ("timeout: -1", "front-matter-value"),
        ("timeout: true", "front-matter-value"),
        ("key: 5", "front-matter-value"),
        ("key: a +", "front-matter-value"),
        ("key: Task.run('x')", "front-matter-value"),
        ("key: " + "a + " * 200 + "b", "front-matter-value"),
        ("retry: { attempts: 3 }", "front-matter-retry-key"),
        ("retry: { jitter: 2 }", "front-matter-value"),
        ("retry: { nonRetryable: { a: b } }", "front-matter-value"),
        ("inputs: { $ref: 'http://x' }", "front-matter-value"),
        ("inputs: { properties: { a: { items: { $ref: b.json } } } }", "front-matter-value"),
        ("inputs: { type: array }", "front-matter-value"),
        ("inputs: { type: { a: b } }", "front-matter-value"),
        ("inputs: { required: { a: b } }", "front-matter-value"),
        ("name: !!python/object:os.system b", "front-matter-anchor"),
        ("name: *a", "front-matter-anchor"),
        ("name: [", "front-matter-yaml"),
        ("inputs: " + "[" * 40 + "]" * 40, "front-matter-yaml"),
        ("- a", "front-matter-shape"),
    ],
)
def test_each_mistake_has_its_code(block: str, code: str) -> None:
    parsed = parse(f"```\n{block}\n```\nreturn 1", "x.flow")

    assert {found.code for found in parsed.diagnostics} == {code}
    assert parsed.tree is None
