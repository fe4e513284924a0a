"""A mistake in a .flow file: a stable code, a place, one sentence and what to write instead.

Diagnostics are data, not exceptions: all that were found are reported together. An error means the
file does not run; a warning means it runs, but hardly as meant. `RULES` is the one table of codes;
a code, once released, keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from flowlang.source import Source, from_units

EXCERPT_WIDTH = 100
"""Longest piece of a source line that is shown: a line of an 80-column editor fits, and a file of
one endless line does not flood the terminal."""

MOST_SHOWN = 100
"""How many diagnostics one file can have: nobody reads more, and a wrong file could have 40,000."""

SHORTEST_BEGINNING = 3
"""Letters from which on a name may be the beginning of another: `Math.rand`."""

Severity = Literal["error", "warning"]


class Rule(msgspec.Struct, frozen=True):
    """What a code means. `message` and `hint` are formatted with the fields of the report."""

    message: str
    hint: str | None = None
    severity: Severity = "error"


class Spot(msgspec.Struct, frozen=True):
    """A place in the source and how it is shown.

    Attributes:
        start: offset in UTF-16 units; `end` is exclusive.
        line: counted from 1, like `column`, which counts UTF-16 units.
        excerpt: the source line, shortened around the place when it is long.
        caret: how many characters of the excerpt stand before the place.
        width: how many characters of the excerpt the place covers, at least 1.
    """

    start: int
    end: int
    line: int
    column: int
    excerpt: str
    caret: int
    width: int


class Note(msgspec.Struct, frozen=True):
    """A second place that a diagnostic speaks of, with its own sentence."""

    message: str
    spot: Spot


class Diagnostic(msgspec.Struct, frozen=True):
    """One mistake, complete: it can be shown, stored and compared without the source."""

    code: str
    severity: Severity
    message: str
    hint: str | None
    path: str
    spot: Spot
    notes: tuple[Note, ...] = ()

    @property
    def line(self) -> int:
        return self.spot.line

    @property
    def column(self) -> int:
        return self.spot.column

    @property
    def start(self) -> int:
        return self.spot.start

    @property
    def end(self) -> int:
        return self.spot.end

    def __str__(self) -> str:
        """The whole report, several lines, without a final line end."""
        spot = self.spot
        lines = [
            f"{self.path}:{spot.line}:{spot.column}: {self.severity}: {self.message} [{self.code}]",
            *_shown(spot),
        ]
        for note in self.notes:
            place = f"{self.path}:{note.spot.line}:{note.spot.column}"
            lines += [f"  {place}: {note.message}", *_shown(note.spot)]
        if self.hint is not None:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


def report(
    source: Source,
    code: str,
    start: int,
    end: int,
    *,
    hint: str | None = None,
    notes: Iterable[tuple[str, int, int]] = (),
    **fields: object,
) -> Diagnostic:
    """The diagnostic `code` at `start` to `end`.

    Args:
        hint: used instead of the rule's own hint.
        notes: sentence, start and end of further places.
        fields: what the rule's sentences name.
    """
    rule = RULES[code]
    if hint is None and rule.hint is not None:
        hint = rule.hint.format(**fields)
    return Diagnostic(
        code=code,
        severity=rule.severity,
        message=_printable(rule.message.format(**fields)),
        hint=None if hint is None else _printable(hint),
        path=source.path,
        spot=spot_at(source, start, end),
        notes=tuple(
            Note(_printable(sentence), spot_at(source, at, until)) for sentence, at, until in notes
        ),
    )


def spot_at(source: Source, start: int, end: int) -> Spot:
    """The place `start` to `end` (its first line, when it has several)."""
    line, column = source.position(start)
    text = source.text
    begin = start - column + 1
    # Only what is shown is copied: the line may be the whole file. The place stays in view, with a
    # little of what stands before it.
    until = source.line_end(begin) if column <= EXCERPT_WIDTH else source.line_end(start)
    length = until - begin
    before = min(column - 1, length)
    width = max(1, min(end - start, length - before))
    cut = 0 if length <= EXCERPT_WIDTH else max(0, before - EXCERPT_WIDTH // 3)
    piece = text[begin + cut : min(begin + cut + EXCERPT_WIDTH, until)]
    prefix = "…" if cut else ""
    suffix = "…" if cut + EXCERPT_WIDTH < length else ""
    head = prefix + _printable(piece[: before - cut])
    body = _printable(piece[before - cut : before - cut + width])
    tail = _printable(piece[before - cut + width :])
    return Spot(
        start=start,
        end=end,
        line=line,
        column=column,
        excerpt=head + body + tail + suffix,
        caret=len(head),
        width=max(1, len(body)),
    )


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorted by place, each once, at most `MOST_SHOWN`; errors go before warnings when some must
    be left out."""
    unique = {(found.start, found.code, found.message): found for found in diagnostics}
    kept = sorted(unique.values(), key=lambda found: (found.severity, found.start))[:MOST_SHOWN]
    return tuple(sorted(kept, key=lambda found: (found.start, found.code)))


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was probably meant to be, or None.

    Near means: equal but for case, or at most one slip in three characters (two in long names).
    Of several equally near ones, the first in alphabetical order. If none is near, the only one
    that `name` is the beginning of.
    """
    best: tuple[int, str] | None = None
    longer: set[str] = set()
    letters = set(name.lower())
    allowed = 0 if len(name) < 2 else 1 if len(name) < 6 else 2 if len(name) < 12 else 3
    lowered = name.lower()
    for candidate in candidates:
        if candidate == name:
            continue
        if len(name) >= SHORTEST_BEGINNING and candidate.lower().startswith(lowered):
            longer.add(candidate)
        if abs(len(candidate) - len(name)) > allowed:
            continue
        if len(letters.symmetric_difference(candidate.lower())) > 2 * allowed:
            continue
        # With two letters, one left out is likelier than another name that happens to be near.
        if len(name) < 3 and len(candidate) <= len(name):
            continue
        slips = 0 if candidate.lower() == lowered else _slips(lowered, candidate.lower(), allowed)
        if slips <= allowed and slips < len(candidate) and (slips, candidate) < (best or (9, "")):
            best = (slips, candidate)
    if best is None and len(longer) == 1:
        return longer.pop()
    return best[1] if best else None


def _slips(a: str, b: str, limit: int) -> int:
    """How many insertions, deletions, replacements and swaps of neighbours lead from a to b."""
    before_last: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before_last, last = last, row
    return last[-1]


def _printable(units: str) -> str:
    """Control characters would move the caret or the terminal; a tab is as wide as its caret."""
    return "".join(
        sign if sign == "\t" or sign.isprintable() else "\ufffd" for sign in from_units(units)
    )


def _shown(spot: Spot) -> tuple[str, str]:
    indent = "".join("\t" if sign == "\t" else " " for sign in spot.excerpt[: spot.caret])
    return f"    {spot.excerpt}", f"    {indent}{'^' * spot.width}"


RULES: Mapping[str, Rule] = {
    # ------------------------------------------------------------------------- the text itself
    "source-too-long": Rule(
        "the file has {length:,} characters, more than the {limit:,} that one .flow file may have",
        "move parts of it into workflows of their own and call them with Workflow.run",
    ),
    "too-many-tokens": Rule(
        "the file has more than {limit:,} tokens",
        "move parts of it into workflows of their own, and large tables into a task",
    ),
    "too-deep": Rule(
        "this is nested more than {limit} levels deep",
        "give inner parts a name: a variable or a function",
    ),
    "unterminated-comment": Rule("this comment never ends", "end it with '*/'"),
    "unopened-comment": Rule("no comment ends here", "write '/*' where it begins, or remove '*/'"),
    "unterminated-string": Rule(
        "this string does not end on its line",
        "close it with {quote}; for text of several lines use a template: `…`",
    ),
    "unterminated-template": Rule("this template never ends", "close it with '`'"),
    "quote-in-text": Rule(
        "the text ends at this quote",
        "write \\{quote} for a quote within the text, or put the text in {other}…{other}",
    ),
    "lookalike": Rule("{character} is not a sign of JavaScript", "write '{meant}'"),
    "merge-mark": Rule(
        "this line is the mark of a merge that was not resolved",
        "keep one of the two versions, and remove the three marks",
    ),
    "bad-escape": Rule("'{escape}' is not an escape sequence", "{advice}"),
    "octal-escape": Rule(
        "'{escape}' is an octal escape, which is not part of Flow",
        "write the character's code in hexadecimal, such as '\\x07'",
    ),
    "octal-number": Rule(
        "a number does not begin with 0: '{text}'",
        "leave the zeros out, or write 0o{digits} if it is meant to be octal",
    ),
    "bad-number": Rule("'{text}' is not a number", "{advice}"),
    "no-bigint": Rule(
        "BigInt is not part of Flow: '{text}'",
        "leave the 'n' out (numbers are exact to 9007199254740991), or keep it as a string",
    ),
    "no-regular-expression": Rule(
        "regular expressions are not part of Flow",
        "use includes, startsWith, indexOf, split or replaceAll with strings, or a task",
    ),
    "unexpected-character": Rule("{character} has no meaning here", None),
    "no-html-comment": Rule(
        "'{text}' begins an HTML comment in JavaScript, which is not part of Flow",
        "use '//' for a comment, or put a space between the signs",
    ),
    "curly-quote": Rule(
        "{character} is a typographic quotation mark", "use the straight marks \" or ' or `"
    ),
    "unclosed-bracket": Rule("this '{opener}' is never closed", "add '{closer}'"),
    "unopened-bracket": Rule(
        "this '{closer}' closes nothing", "remove it, or add the '{opener}' that it should close"
    ),
    # --------------------------------------------------------------------------- front matter
    "front-matter-unclosed": Rule(
        "the front matter is never closed", "end it with a line that holds only ```"
    ),
    "front-matter-too-long": Rule(
        "the front matter has {length:,} bytes, more than the {limit:,} it may have", None
    ),
    "front-matter-yaml": Rule("the front matter is not valid YAML: {problem}", None),
    "front-matter-shape": Rule(
        "the front matter must be lines of the form 'key: value'",
        "known keys are {known}",
    ),
    "front-matter-key": Rule("'{key}' is not a key of the front matter", "known keys are {known}"),
    "front-matter-retry-key": Rule("'{key}' is not a part of 'retry'", "known parts are {known}"),
    "front-matter-schema-key": Rule("'{key}' is not a keyword of JSON Schema", None),
    "markdown-fence": Rule(
        "the file begins like a block of Markdown", "remove the lines of ``` around the program"
    ),
    "front-matter-dashes": Rule(
        "front matter stands between lines of ```, not of ---", "replace both lines by ```"
    ),
    "front-matter-duplicate": Rule("the key '{key}' stands here twice", "remove one of them"),
    "front-matter-value": Rule("'{key}' must be {wanted}, not {found}", None),
    "front-matter-anchor": Rule(
        "anchors, aliases, merge keys and tags are not allowed in the front matter",
        "write the value out where it is used",
    ),
    # ------------------------------------------------------------------------------- grammar
    "syntax": Rule("expected {expected}, found {found}", None),
    "unexpected": Rule("{found} has no place here", None),
    "missing-parentheses": Rule(
        "the condition after '{word}' must stand in parentheses", "write '{word} (…) {{ … }}'"
    ),
    "missing-condition": Rule(
        "'{word}' without a condition", "write '{word} (…) {{ … }}', or 'else {{ … }}'"
    ),
    "missing-braces": Rule("expected '{{' after {after}, found {found}", "{advice}"),
    "missing-catch": Rule("'try' without 'catch' or 'finally'", "add 'catch (error) {{ … }}'"),
    "newline-after-throw": Rule(
        "the value must stand on the same line as 'throw'", "join the two lines"
    ),
    "newline-before-arrow": Rule(
        "'=>' must stand on the same line as the parameters", "join the two lines"
    ),
    "object-pattern-statement": Rule(
        "a statement that begins with '{{' is a block, so nothing can be assigned to it",
        "to declare the names, write 'const {{ … }} = …'; to assign to them, put all of it in "
        "parentheses: ({{ … }} = …)",
    ),
    "object-meant": Rule(
        "this is a block with the label '{label}', not an object",
        "put the object in parentheses: () => ({{ {label}: … }})",
    ),
    "mixed-nullish": Rule(
        "'??' cannot stand beside '{operator}' without parentheses",
        "write (a ?? b) {operator} c, or a ?? (b {operator} c)",
    ),
    "unary-power": Rule(
        "'{operator}' before '**' is ambiguous", "write ({operator} x) ** y or {operator} (x ** y)"
    ),
    "arrow-operand": Rule(
        "an arrow function cannot be an operand", "put it in parentheses: (() => …)"
    ),
    "bad-assignment-target": Rule(
        "nothing can be assigned to {what}",
        "a variable, a property or a pattern can stand on the left of an assignment",
    ),
    "comparison-meant": Rule("nothing can be assigned to {what}", "to compare, write '==='"),
    "optional-chain-target": Rule(
        "nothing can be assigned to an optional chain", "test the object first: if (x) x.y = …"
    ),
    "shorthand-default": Rule(
        "'{name} = …' in an object is only possible in a pattern", "write '{name}: …'"
    ),
    "rest-not-last": Rule("'...' must be the last one here", "move it to the end, without a comma"),
    "rest-default": Rule("what '...' collects has no default", "remove the '= …'"),
    "rest-pattern": Rule("'...' in an object pattern must be followed by a name", None),
    "bad-binding": Rule("{what} cannot be declared", "a name or a pattern can stand here"),
    "reserved-name": Rule(
        "'{name}' is a reserved word and cannot be a name", "choose another name"
    ),
    "missing-initializer": Rule("{what} needs a value here", "write '= …' after it"),
    "for-initializer": Rule("the variable of a for…{word} loop has no '= …'", "remove the value"),
    "for-declarations": Rule(
        "a for…{word} loop declares one variable",
        "to take pairs apart write '[{names}]'; declare other variables before the loop",
    ),
    "for-in-head": Rule("'in' as an operator must stand in parentheses here", "write (… in …)"),
    "for-await": Rule(
        "'for await' is not part of Flow", "loop with 'for (const x of …)' and await inside"
    ),
    "for-of-comma": Rule(
        "a for…of loop runs over one value", "put a comma expression in parentheses"
    ),
    "lexical-single-statement": Rule(
        "'{word}' needs a block around it here", "write {{ {word} … }}"
    ),
    "function-single-statement": Rule(
        "a function cannot be declared as the only statement of {what}",
        "put it in a block: {{ function … }}",
    ),
    "duplicate-default": Rule("this switch already has a 'default'", "remove one of them"),
    # ------------------------------------------------------------------ JavaScript's early errors
    "redeclared": Rule(
        "'{name}' is already declared", "choose another name, or assign without '{word}'"
    ),
    "duplicate-parameter": Rule("two parameters are called '{name}'", "rename one of them"),
    "break-outside": Rule(
        "'break' outside of a loop or switch", "use 'return' to leave a function"
    ),
    "continue-outside": Rule("'continue' outside of a loop", "use 'return' to leave a function"),
    "unknown-label": Rule("there is no label '{label}' around this", "{advice}"),
    "continue-label": Rule("'{label}' is not the label of a loop", "use 'break {label}'"),
    "duplicate-label": Rule("the label '{label}' is already in use around this", "choose another"),
    "await-in-function": Rule(
        "'await' in a function that is not async", "write 'async' before {function}"
    ),
    "await-in-parameter": Rule(
        "'await' cannot stand in the default of a parameter", "await it in the function's body"
    ),
    # ------------------------------------------------------------------ outside the subset
    "no-class": Rule(
        "'class' is not part of Flow", "use an object and functions that take it as an argument"
    ),
    "no-this": Rule("'this' is not part of Flow", "pass the object to the function as an argument"),
    "no-super": Rule("'super' is not part of Flow", "call the function by its name"),
    "no-arguments": Rule("'arguments' is not part of Flow", "use a rest parameter: (...args)"),
    "no-generator": Rule(
        "generators are not part of Flow", "build an array, or loop and await inside"
    ),
    "no-yield": Rule("'yield' is not part of Flow", "collect the values in an array and return it"),
    "no-accessor": Rule(
        "getters and setters are not part of Flow", "use a function: {name}() {{ … }}"
    ),
    "no-with": Rule("'with' is not part of Flow", "name the object: x.y"),
    "no-eval": Rule(
        "'eval' is not part of Flow", "write the code itself; parse data with JSON.parse"
    ),
    "no-function-constructor": Rule("'Function' is not part of Flow", "write a function: (x) => …"),
    "no-import": Rule(
        "modules are not part of Flow: '{word}'",
        "the library is there without it; call Python code with Task.run and workflows with "
        "Workflow.run",
    ),
    "no-require": Rule(
        "modules are not part of Flow: 'require'",
        "the library is there without it; call Python code with Task.run",
    ),
    "no-timers": Rule("'{name}' is not part of Flow", "{advice}"),
    "no-tagged-template": Rule(
        "tagged templates are not part of Flow", "call the function: tag(…)"
    ),
    "no-prototype": Rule(
        "prototypes are not part of Flow: '{name}'", "use plain objects and functions"
    ),
    "no-new-target": Rule("'new.target' is not part of Flow", None),
    "no-debugger": Rule(
        "'debugger' is not part of Flow", "remove it; log what you need with console.log"
    ),
    "no-use-strict": Rule("'use strict' is not part of Flow", "remove it"),
    "no-enum": Rule("'enum' is not part of Flow", "use an object: const Color = {{ … }}"),
    "no-decorator": Rule("decorators are not part of Flow", "call the function itself"),
    "no-private-name": Rule("'#{name}' is not part of Flow", "use a plain property"),
    "no-delete-name": Rule("a variable cannot be deleted", "assign undefined to it"),
    "no-global": Rule("'{name}' is not part of Flow", "{advice}"),
    "no-type-annotation": Rule(
        "types are not part of Flow", "remove the type; describe inputs in the front matter"
    ),
    "new-not-allowed": Rule(
        "'new {name}' is not part of Flow",
        "'new' takes Error and its kin, Date, Map, Set, Array, Object and Promise; {advice}",
    ),
    "assign-builtin": Rule(
        "'{name}' belongs to Flow and cannot be assigned", "declare a variable of another name"
    ),
    # ---------------------------------------------------------------------------- other languages
    "python-comment": Rule("'#' does not begin a comment", "use '//'"),
    "python-constant": Rule("'{name}' is Python", "write '{instead}'"),
    "python-operator": Rule("'{name}' is Python", "write '{instead}'"),
    "python-def": Rule("'def' is Python", "write 'function {name}(…) {{ … }}'"),
    "python-lambda": Rule("'lambda' is Python", "write an arrow function: (x) => …"),
    "python-elif": Rule("'{name}' is not JavaScript", "write 'else if (…) {{ … }}'"),
    "python-ternary": Rule("'… if … else …' is Python", "write 'condition ? value : other'"),
    "python-comprehension": Rule(
        "a comprehension is Python", "write 'x.map((value) => …)', with 'x.filter(…)' before it"
    ),
    "python-slice": Rule("a slice is Python", "write 'x.slice(from, to)'"),
    "python-unpacking": Rule("'{sign}' unpacks nothing in JavaScript", "write '...'"),
    "python-except": Rule("'except' is Python", "write 'catch (error) {{ … }}'"),
    "python-raise": Rule("'raise' is Python", "write 'throw new Error(…)'"),
    "python-pass": Rule("'pass' is Python", "write nothing, or an empty block {{}}"),
    "python-import": Rule(
        "'from … import' is Python", "call Python code with Task.run; the library needs no import"
    ),
    "python-colon": Rule(
        "':' does not begin a block", "write {{ … }} around the statements and remove the ':'"
    ),
    "python-for": Rule(
        "a loop's head must stand in parentheses", "write 'for (const {name} of …) {{ … }}'"
    ),
    "python-string": Rule("{what} is Python", "write a template: `…${{value}}…`"),
    "python-statement": Rule("'{name}' is Python", "{advice}"),
    "python-name": Rule(
        "'{name}' is not declared: it is Python, and reading it throws a ReferenceError",
        "{advice}",
        "warning",
    ),
    "foreign-word": Rule("'{name}' is not a word of JavaScript", "{advice}"),
    "foreign-operator": Rule("'{sign}' is not an operator of JavaScript", "{advice}"),
    "misspelt-word": Rule("'{name}' is not a word of JavaScript", "did you mean '{meant}'?"),
    "no-yaml": Rule(
        "this is YAML, not JavaScript",
        "a workflow is a program: await Task.run(…), Timer.delay(…) and so on",
    ),
    "no-tags": Rule("tags are not part of Flow", "write a text: `<b>${{name}}</b>`"),
    "front-matter-fence": Rule(
        "'{key}: …' belongs in the front matter", "put it between lines of ``` at the top"
    ),
    # -------------------------------------------------------------------------------- warnings
    "undeclared-read": Rule(
        "'{name}' is not declared: reading it throws a ReferenceError", None, "warning"
    ),
    "undeclared-write": Rule(
        "'{name}' is not declared: this creates a variable of the whole workflow",
        "declare it with 'let'",
        "warning",
    ),
    "unawaited-promise": Rule("nobody awaits this promise: {problem}", "{advice}", "warning"),
    "unawaited-promises": Rule("nobody awaits these promises: {problem}", "{advice}", "warning"),
    "async-callback": Rule("'{method}' {problem}", "{advice}", "warning"),
    "signal-race": Rule(
        "a Signal.when that loses a race still takes the next signal", "{advice}", "warning"
    ),
    "unreachable-code": Rule("this is never reached: {why}", None, "warning"),
    "skipped-finally": Rule(
        "Workflow.restart ends the execution at once: the 'finally' around it does not run",
        "restart behind the 'try'",
        "warning",
    ),
    "return-newline": Rule(
        "this is never reached: 'return' ends at the end of its line",
        "let the value begin on the same line as 'return'",
        "warning",
    ),
    "unused-name": Rule(
        "'{name}' {what}", "remove it, or begin its name with '_' to keep it", "warning"
    ),
    "unused-value": Rule("the value of this is never used", None, "warning"),
    "block-for-object": Rule(
        "this is a block with the label '{label}', not an object",
        "put the object in parentheses: () => ({{ {label}: … }})",
        "warning",
    ),
    "mixed-equality": Rule(
        "{left} is compared with {right}: {problem}",
        "convert one of them first, with String(…), Number(…) or Boolean(…)",
        "warning",
    ),
    "never-equal": Rule("{what}: this is always {always}", "{advice}", "warning"),
    "typeof-word": Rule("'typeof' never gives {word}", "{advice}", "warning"),
    "assigned-condition": Rule(
        "this condition assigns: '=' does not compare",
        "write '===', or put the assignment in parentheses of its own",
        "warning",
    ),
    "constant-condition": Rule(
        "this is always {answer} as a condition", "compare it with something", "warning"
    ),
    "empty-branch": Rule(
        "this ';' is all that the 'if' decides about", "remove it, or write {{ }}", "warning"
    ),
    "chained-comparison": Rule(
        "this compares true or false with {third}: '{operator}' takes two operands",
        None,
        "warning",
    ),
    "negated-operand": Rule("this '!' negates {operand} alone", None, "warning"),
    "duplicate-key": Rule(
        "'{name}' stands here twice: this one replaces the one in line {line}",
        "remove one of them",
        "warning",
    ),
    "duplicate-case": Rule(
        "this is never reached: 'case {name}' stands in line {line} already",
        "remove one of them",
        "warning",
    ),
    "continued-line": Rule(
        "this line goes on with the one above: '{sign}' {does} {what}",
        "end the line above with ';', unless this is meant",
        "warning",
    ),
    "nested-comment": Rule(
        "this '/*' stands within the comment that begins in line {line}: the next '*/' ends both",
        "end the first comment with '*/' where it should end",
        "warning",
    ),
    "endless-loop": Rule(
        "this loop never ends: {why}",
        "await something in it, or leave it with 'break'",
        "warning",
    ),
    "for-in": Rule(
        "a for…in loop gives {gives}", "write 'of' to loop over what is in it", "warning"
    ),
    "constant-write": Rule(
        "'{name}' is a constant: assigning to it throws a TypeError",
        "declare it with 'let'",
        "warning",
    ),
    "builtin-write": Rule(
        "what belongs to Flow cannot be changed: assigning to '{name}' throws a TypeError",
        "keep the value in a variable",
        "warning",
    ),
    "early-use": Rule(
        "'{name}' is used {where}: this throws a ReferenceError",
        "move the declaration up",
        "warning",
    ),
    "unknown-member": Rule("{owner} '{name}'", None, "warning"),
    "negative-index": Rule("nothing stands at {name}: this is undefined", None, "warning"),
    "unknown-method": Rule(
        "nothing in this program has a method '{name}': calling it throws a TypeError",
        None,
        "warning",
    ),
    "method-left-out": Rule(
        "'{name}' is not part of Flow: calling it throws a TypeError", None, "warning"
    ),
    "unknown-input": Rule(
        "'{name}' is no input of this workflow: its front matter does not name it", None, "warning"
    ),
    "unknown-option": Rule("'{name}' is not {what}: this throws a TypeError", None, "warning"),
    "wrong-argument": Rule("{problem}: this throws a TypeError", None, "warning"),
    "wrong-duration": Rule(
        "{what} needs a duration, not {found}: this throws a TypeError",
        "give seconds as a number, or text such as '500ms', '30s', '5m', '24h' or '7d'",
        "warning",
    ),
    "milliseconds": Rule(
        "a duration that is a number is in seconds: {found} is {time}",
        "write '{meant}' if milliseconds are meant",
        "warning",
    ),
    "unknown-ignore": Rule(
        "this silences {what}", "name the warning: // flow-ignore: unused-name", "warning"
    ),
    "unneeded-ignore": Rule(
        "there is no '{name}' to silence here", "remove the comment", "warning"
    ),
}
