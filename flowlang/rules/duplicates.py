"""What stands twice where only one can count: keys of an object, cases of a switch."""

from __future__ import annotations

from flowlang import nodes
from flowlang.rules.facts import Facts
from flowlang.scope import property_name


def check_duplicates(facts: Facts) -> None:
    for literal in facts.all(nodes.ObjectLiteral):
        _check_keys(facts, literal)
    for switch in facts.all(nodes.Switch):
        _check_cases(facts, switch)


def _check_keys(facts: Facts, literal: nodes.ObjectLiteral) -> None:
    seen: dict[str, nodes.Property] = {}
    for entry in literal.properties:
        if isinstance(entry, nodes.Spread):
            seen.clear()  # it may bring the key that is meant to be replaced
        elif not entry.computed:
            name = property_name(entry.key)
            if name in seen:
                line = facts.line(seen[name])
                facts.report("duplicate-key", entry.key, name=name, line=line)
            seen[name] = entry


def _check_cases(facts: Facts, switch: nodes.Switch) -> None:
    seen: dict[object, nodes.Expression] = {}
    for case in switch.cases:
        test = case.test
        if not isinstance(test, nodes.StringLiteral | nodes.NumberLiteral):
            continue
        if test.value in seen:
            line = facts.line(seen[test.value])
            facts.report("duplicate-case", test, name=facts.text(test), line=line)
        seen.setdefault(test.value, test)
