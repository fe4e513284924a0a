"""The block of YAML that a .flow file may begin with: its name, queue, defaults and inputs.

The block stands between two lines of ``` at the very top. It holds plain data only: anchors,
aliases and tags are refused, and so is everything whose meaning YAML's versions disagree about
(`yes` is a text here, as `010`, `1:30` and dates are). Its lines count in positions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import yaml

from flowlang.diagnostics import Diagnostic, nearest, report
from flowlang.durations import DURATION, in_short
from flowlang.source import LINE_END, Source, from_units, to_units

LONGEST: Final = 16 * 1024
"""A limit of the language, in bytes of UTF-8: a large JSON Schema fits, a data set does not."""

DEEPEST: Final = 32
"""How deep values may nest: no schema that people read goes deeper."""

MOST_ATTEMPTS: Final = 10**9
"""How often a task may be tried at most: one a second for 30 years is as good as without end."""

MOST_BACKOFF: Final = 1_000
"""By what an interval may be longer than the last: the longest is soon reached anyhow."""

LONGEST_FORMULA: Final = 500
"""Characters of an expression over the inputs: more is code that belongs into the script."""

PATH: Final = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")
"""Names with dots between them: the simplest such expression."""

KEYS: Final = ("name", "queue", "timeout", "description", "inputs", "retry", "priority", "key")
RETRY_KEYS: Final = (
    "maxAttempts",
    "initialInterval",
    "backoff",
    "maxInterval",
    "jitter",
    "nonRetryable",
)


class FrontMatter(msgspec.Struct, frozen=True):
    """What the block says; None is what it does not say.

    Attributes:
        name: the workflow's name, instead of the file's.
        timeout: of one execution, as written: seconds, or text such as "30s" or "24h".
        inputs: a JSON Schema for the execution's inputs, without remote references.
        retry: the default for the workflow's tasks, with the keys of `RETRY_KEYS`.
        priority: of its executions, 0 to 9, which comes first.
        key: whom an execution is for: an expression over its inputs.
    """

    name: str | None = None
    queue: str | None = None
    timeout: float | str | None = None
    description: str | None = None
    inputs: Mapping[str, Any] | None = None
    retry: Mapping[str, Any] | None = None
    priority: int | None = None
    key: str | None = None


def read_front_matter(
    source: Source, found: list[Diagnostic], formula_mistake: Callable[[str], str | None]
) -> tuple[FrontMatter, int | None]:
    """The front matter of `source`, and the offset where the program begins.

    Args:
        found: takes what is wrong with it.
        formula_mistake: what is wrong with an expression over the inputs.

    Returns:
        The default front matter when the file has none or a wrong one; None as offset when its end
        cannot be found.
    """
    text = source.text
    begin = 1 if text.startswith("\ufeff") else 0
    fence = _FENCE.match(text, begin)
    if fence is None:
        markdown = _MARKDOWN.match(text, begin)
        if markdown is not None:
            found.append(report(source, "markdown-fence", *markdown.span("fence")))
            return FrontMatter(), None
        if _DASHES.match(text, begin):
            found.append(report(source, "front-matter-dashes", begin, begin + 3))
            closing = _CLOSING_DASHES.search(text, begin + 3)
            return FrontMatter(), closing.end() if closing else None
        return FrontMatter(), begin
    closing = _CLOSING.search(text, fence.end(1))
    if closing is None:
        found.append(report(source, "front-matter-unclosed", begin, begin + 3))
        return FrontMatter(), None
    start, end = fence.end(), closing.start("fence")
    block = from_units(text[start:end])
    length = len(block.encode("utf-8"))
    if length > LONGEST:
        found.append(
            report(source, "front-matter-too-long", begin, begin + 3, length=length, limit=LONGEST)
        )
        return FrontMatter(), closing.end()
    reader = _Reader(source, start, block, found, formula_mistake)
    return reader.read(), closing.end()


_FENCE = re.compile(r"(```)[ \t]*(?:ya?ml)?[ \t]*(?:" + LINE_END.pattern + ")")
_CLOSING = re.compile("(?:" + LINE_END.pattern + r")(?P<fence>```)[ \t]*(?=[\n\r\u2028\u2029]|\Z)")
_MARKDOWN = re.compile(
    "(?P<fence>```[ \t]*(?:js|javascript|ts|typescript|flow|mjs|node))[ \t]*[\r\n]"
)
_DASHES = re.compile(r"---[ \t]*[\r\n]+[A-Za-z_]\w*:")
_CLOSING_DASHES = re.compile(r"^---[ \t]*$", re.MULTILINE)
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORD = re.compile(r"(?!\s)[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}(?<!\s)")
_SCHEMA_TYPES = frozenset(["array", "boolean", "integer", "null", "number", "object", "string"])
_SCHEMA_KEYWORDS: Final = frozenset(
    """
    $schema $id $anchor $ref $defs $comment $vocabulary definitions title description default
    deprecated readOnly writeOnly examples type enum const format multipleOf maximum
    exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern prefixItems items
    contains maxItems minItems uniqueItems maxContains minContains maxProperties minProperties
    required dependentRequired dependentSchemas dependencies properties patternProperties
    additionalProperties propertyNames unevaluatedItems unevaluatedProperties additionalItems
    allOf anyOf oneOf not if then else contentEncoding contentMediaType contentSchema
    """.split()  # noqa: SIM905 - a list of them would be a page long
)
_DURATION_WORDS = 'a duration: seconds, or text such as "30s", "5m", "24h"'


class _Value:
    """A value with the places it stands at: `data` is a scalar, a list of values or a list of
    key and value pairs."""

    __slots__ = ("data", "end", "start")

    def __init__(self, data: Any, start: int, end: int) -> None:
        self.data = data
        self.start = start
        self.end = end


class _Pairs:
    """The entries of a mapping, in order. No list, so that it is never taken for a sequence."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: list[tuple[_Value, _Value]] = []


class _Refused(Exception):
    """The block cannot be read; the reason has been reported."""


class _Reader:
    def __init__(
        self,
        source: Source,
        start: int,
        block: str,
        found: list[Diagnostic],
        formula_mistake: Callable[[str], str | None],
    ) -> None:
        self.formula_mistake = formula_mistake
        self.source = source
        self.start = start
        self.block = block
        self.found = found

    def report(self, code: str, start: int, end: int, **fields: object) -> None:
        self.found.append(report(self.source, code, start, end, **fields))  # type: ignore[arg-type]  # fields and notes both pass through

    def wrong(self, key: str, value: _Value, wanted: str, *, hint: str | None = None) -> None:
        self.report(
            "front-matter-value",
            value.start,
            value.end,
            key=key,
            wanted=wanted,
            found=_shown(value.data),
            hint=hint,
        )

    def read(self) -> FrontMatter:
        try:
            root = self.compose()
        except _Refused:
            return FrontMatter()
        if root is None:
            return FrontMatter()
        if not isinstance(root.data, _Pairs):
            self.report("front-matter-shape", root.start, root.end, known=", ".join(KEYS))
            return FrontMatter()
        values: dict[str, Any] = {}
        for key, value in self.entries(root.data, KEYS, "front-matter-key"):
            checked = _CHECKS[key](self, key, value)
            if checked is not None:
                values[key] = checked
        return FrontMatter(**values)

    # ------------------------------------------------------------------------------------ reading

    def compose(self) -> _Value | None:
        """The block as values; None when it is empty."""
        # What is open: the collection, and for a mapping the key that waits for its value.
        open: list[tuple[_Value, list[_Value]]] = []
        root: _Value | None = None
        documents = 0
        try:
            for event in yaml.parse(self.block, Loader=yaml.SafeLoader):
                value: _Value | None = None
                self.refuse_references(event)
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        start, end = self.place(event)
                        self.report("front-matter-yaml", start, end, problem="a second document")
                        raise _Refused
                elif isinstance(event, yaml.ScalarEvent):
                    value = _Value(_scalar(event), *self.place(event))
                elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                    is_mapping = isinstance(event, yaml.MappingStartEvent)
                    opened = _Value(_Pairs() if is_mapping else [], *self.place(event))
                    open.append((opened, []))
                    if len(open) > DEEPEST:
                        problem = f"it nests more than {DEEPEST} levels deep"
                        self.report("front-matter-yaml", *self.place(event), problem=problem)
                        raise _Refused
                elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                    value = open.pop()[0]
                if value is None:
                    continue
                if not open:
                    root = value
                    continue
                collection, waiting = open[-1]
                if not isinstance(collection.data, _Pairs):
                    collection.data.append(value)
                elif waiting:
                    collection.data.entries.append((waiting.pop(), value))
                else:
                    waiting.append(value)
        except yaml.YAMLError as error:
            self.report_yaml(error)
            raise _Refused from None
        return root

    def refuse_references(self, event: Any) -> None:
        has_tag = getattr(event, "tag", None) is not None
        if has_tag or getattr(event, "anchor", None) is not None:
            self.report("front-matter-anchor", *self.place(event))
            raise _Refused

    def report_yaml(self, error: yaml.YAMLError) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or "it holds a character that YAML does not allow"
        index = mark.index if mark is not None else getattr(error, "position", 0)
        at = self.offset(index if isinstance(index, int) else 0)
        problem = problem.replace("'<stream end>'", "its end").replace(
            "'<document start>'", "'---'"
        )
        if "found character '\\t'" in problem or "that cannot start any token" in problem:
            problem = "this character cannot stand here unquoted"
            if self.source.text[at] == "\t":
                problem = "a line is indented with spaces here, not with a tab"
        hint = None
        if problem == "mapping values are not allowed here":
            problem, hint = "a second ':' in this line", "put the text in quotes"
        elif problem == "found unexpected end of stream":
            problem, hint = "a quote is never closed", "end the text with \" or '"
        elif problem.startswith("expected <block end>"):
            problem, hint = "this line does not fit to those above", "indent them alike"
        elif problem.startswith("could not find expected ':'"):
            problem, hint = "a line without ':'", "write 'key: value'"
        self.report("front-matter-yaml", at, at + 1, problem=problem, hint=hint)

    def place(self, event: Any) -> tuple[int, int]:
        start = self.offset(event.start_mark.index)
        end = self.offset(event.end_mark.index)
        return start, max(start + 1, end)

    def offset(self, index: int) -> int:
        """Where the character `index` of the block stands in the source."""
        return self.start + len(to_units(self.block[:index]))

    # ----------------------------------------------------------------------------------- checking

    def entries(self, pairs: _Pairs, known: tuple[str, ...], code: str) -> list[tuple[str, _Value]]:
        """The entries with known keys; unknown and repeated ones are reported."""
        entries: dict[str, _Value] = {}
        for key, value in pairs.entries:
            name = key.data
            if not isinstance(name, str) or name not in known:
                shown = name if isinstance(name, str) else _shown(name)
                meant = nearest(name, known) if isinstance(name, str) else None
                hint = f"did you mean '{meant}'?" if meant else None
                self.report(code, key.start, key.end, key=shown, known=", ".join(known), hint=hint)
            elif name in entries:
                self.report("front-matter-duplicate", key.start, key.end, key=name)
            else:
                entries[name] = value
        return list(entries.items())

    def text(self, key: str, value: _Value) -> str | None:
        if isinstance(value.data, str) and value.data.strip():
            return value.data
        self.wrong(key, value, "a text")
        return None

    def word(self, key: str, value: _Value) -> str | None:
        """A name: one line, not endless."""
        text = value.data
        if isinstance(text, str) and _WORD.fullmatch(text):
            return text
        self.wrong(key, value, "a name on one line, of at most 200 characters")
        return None

    def duration(self, key: str, value: _Value) -> float | str | None:
        given = value.data
        if isinstance(given, str) and DURATION.fullmatch(given):
            return given
        if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < 1e11:
            return given
        short = in_short(given) if isinstance(given, str) else None
        hint = None if short is None else f"write {short}"
        self.wrong(key, value, _DURATION_WORDS, hint=hint)
        return None

    def priority(self, key: str, value: _Value) -> int | None:
        given = value.data
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= 9:
            return given
        self.wrong(key, value, "a whole number from 0 to 9, the most urgent")
        return None

    def formula(self, key: str, value: _Value) -> str | None:
        """An expression over the inputs; a path may have names that are none of an expression's."""
        given = value.data
        hint = None
        if isinstance(given, str) and len(given) <= LONGEST_FORMULA:
            hint = None if PATH.fullmatch(given) else self.formula_mistake(given)
            if hint is None:
                return given
        self.wrong(
            key,
            value,
            "an expression over the inputs, such as 'customerId' or 'by ?? to.id'",
            hint=hint,
        )
        return None

    def retry(self, key: str, value: _Value) -> Mapping[str, Any] | None:
        if not isinstance(value.data, _Pairs):
            self.wrong(key, value, "lines of the form 'maxAttempts: 3'")
            return None
        policy: dict[str, Any] = {}
        for name, entry in self.entries(value.data, RETRY_KEYS, "front-matter-retry-key"):
            full = f"retry.{name}"
            given = entry.data
            is_number = isinstance(given, int | float) and not isinstance(given, bool)
            checked: Any = None
            if name in ("initialInterval", "maxInterval"):
                checked = self.duration(full, entry)
            elif name == "maxAttempts":
                if is_number and isinstance(given, int) and 1 <= given <= MOST_ATTEMPTS:
                    checked = given
                else:
                    self.wrong(full, entry, f"a whole number from 1 to {MOST_ATTEMPTS:,}")
            elif name == "backoff":
                if is_number and 1 <= given <= MOST_BACKOFF:
                    checked = given
                else:
                    self.wrong(full, entry, f"a number from 1 to {MOST_BACKOFF:,}")
            elif name == "jitter":
                if is_number and 0 <= given <= 1:
                    checked = given
                else:
                    self.wrong(full, entry, "a number from 0 to 1")
            elif isinstance(given, list) and all(isinstance(item.data, str) for item in given):
                checked = [item.data for item in given]
            else:
                self.wrong(full, entry, "a list of error names")
            if checked is not None:
                policy[name] = checked
        return policy

    def schema(self, key: str, value: _Value) -> Mapping[str, Any] | None:
        if not isinstance(value.data, _Pairs):
            hint = "name them under 'properties': { customer: { type: string } }"
            self.wrong(key, value, "a JSON Schema of an object", hint=hint)
            return None
        names = [name.data for name, _ in value.data.entries]
        if names and not any(name in _SCHEMA_KEYWORDS for name in names):
            first = value.data.entries[0][0]
            hint = "describe the inputs under 'properties'"
            self.report("front-matter-schema-key", first.start, first.end, key=names[0], hint=hint)
            return None
        before = len(self.found)
        self.check_schema(key, value)
        plain = self.plain(value)
        for name, entry in value.data.entries:
            is_other = isinstance(entry.data, str) and entry.data in _SCHEMA_TYPES - {"object"}
            if name.data == "type" and is_other:
                self.wrong(f"{key}.type", entry, "'object': inputs are an object")
        return plain if len(self.found) == before else None

    def check_schema(self, path: str, schema: _Value) -> None:
        """The parts of a schema that are often wrong; the rest is the validator's business."""
        if not isinstance(schema.data, _Pairs):
            if not isinstance(schema.data, bool):
                is_type = isinstance(schema.data, str) and schema.data in _SCHEMA_TYPES
                hint = f"write {{ type: {schema.data} }}" if is_type else None
                self.wrong(path, schema, "a schema", hint=hint)
            return
        for key, value in schema.data.entries:
            name = key.data
            if isinstance(name, str) and name not in _SCHEMA_KEYWORDS:
                meant = nearest(name, _SCHEMA_KEYWORDS)
                if meant is not None:  # other keywords are allowed, and mean nothing
                    self.report(
                        "front-matter-schema-key",
                        key.start,
                        key.end,
                        key=name,
                        hint=f"did you mean '{meant}'?",
                    )
            if name == "$ref":
                if not isinstance(value.data, str) or not value.data.startswith("#"):
                    self.wrong(f"{path}.$ref", value, "a reference within this schema: '#/…'")
            elif name == "type":
                given = value.data if isinstance(value.data, list) else [value]
                for item in given:
                    if not isinstance(item.data, str) or item.data not in _SCHEMA_TYPES:
                        known = ", ".join(sorted(_SCHEMA_TYPES))
                        self.wrong(f"{path}.type", item, f"one of {known}")
            elif name in ("properties", "$defs", "definitions", "patternProperties"):
                if not isinstance(value.data, _Pairs):
                    self.wrong(f"{path}.{name}", value, "lines of the form 'name: {type: string}'")
                    continue
                for inner_key, inner in value.data.entries:
                    self.check_schema(f"{path}.{name}.{inner_key.data}", inner)
            elif name == "required":
                items = value.data if isinstance(value.data, list) else [value]
                if not isinstance(value.data, list) or not all(
                    isinstance(item.data, str) for item in items
                ):
                    self.wrong(f"{path}.required", value, "a list of names")
            elif name in ("items", "additionalProperties", "not", "if", "then", "else"):
                self.check_schema(f"{path}.{name}", value)
            elif name in ("allOf", "anyOf", "oneOf", "prefixItems"):
                if not isinstance(value.data, list):
                    self.wrong(f"{path}.{name}", value, "a list of schemas")
                    continue
                for index, inner in enumerate(value.data):
                    self.check_schema(f"{path}.{name}[{index}]", inner)

    def plain(self, value: _Value) -> Any:
        """The value as JSON would have it; a repeated or odd key is reported."""
        if isinstance(value.data, _Pairs):
            plain: dict[str, Any] = {}
            for key, inner in value.data.entries:
                name = key.data
                if not isinstance(name, str):
                    name = _shown(name) if isinstance(name, list) else str(name).lower()
                if name in plain:
                    self.report("front-matter-duplicate", key.start, key.end, key=name)
                plain[name] = self.plain(inner)
            return plain
        if isinstance(value.data, list):
            return [self.plain(inner) for inner in value.data]
        return value.data


def _scalar(event: yaml.ScalarEvent) -> Any:
    """The scalar's value by the rules of JSON, whatever YAML 1.1 would read; else a text."""
    text: str = event.value
    if event.style is not None:
        return text
    if text in ("", "~", "null"):
        return None
    if text == "true" or text == "false":
        return text == "true"
    if _INTEGER.fullmatch(text) and len(text) <= 17:
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _shown(data: Any) -> str:
    if isinstance(data, _Pairs):
        return "a mapping"
    if isinstance(data, list):
        return "a list"
    if data is None:
        return "nothing"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, str):
        return f"'{data[:40]}'"
    return str(data)


_CHECKS: Mapping[str, Any] = {
    "name": _Reader.word,
    "queue": _Reader.word,
    "timeout": _Reader.duration,
    "description": _Reader.text,
    "inputs": _Reader.schema,
    "retry": _Reader.retry,
    "priority": _Reader.priority,
    "key": _Reader.formula,
}
