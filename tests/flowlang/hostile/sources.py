"""Source texts at the limits of the language, and far over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

LONGEST: Final = 256 * 1024
"""Characters that a source may have."""


def _nested(opener: str, inner: str, closer: str, times: int) -> str:
    return opener * times + inner + closer * times


def _to_the_limit(line: str) -> str:
    """As many of these lines as a source has room for."""
    return (line + "\n") * (LONGEST // (len(line) + 1))


LEGAL: Final[dict[str, str]] = {
    "21 nested loops": "let n = 0\n"
    + "".join(f"for (let i{i} = 0; i{i} < 1; i{i}++) {{ " for i in range(21))
    + "n++"
    + " }" * 21
    + "\nreturn n",
    "21 nested loops with await": "let n = 0\n"
    + "".join(f"for (let i{i} = 0; i{i} < 1; i{i}++) {{ " for i in range(21))
    + "n += await 1"
    + " }" * 21
    + "\nreturn n",
    "100 nested arrays": "let n = 0\nlet a = "
    + _nested("[", "", "]", 100)
    + "\nwhile (a) { n++; a = a[0] }\nreturn n",
    "100 nested calls": "const f = n => n + 1\nreturn " + _nested("f(", "0", ")", 100),
    "100 nested functions": "return " + _nested("(() => ", "1", ")()", 95),
    "1,000 else if": "function f(n) { "
    + " else ".join(f"if (n === {i}) return {i};" for i in range(1000))
    + " }\nreturn f(999)",
    "1,000 else if with await": "const n = 999\n"
    + " else ".join(f"if (n === await {i}) return {i};" for i in range(1000)),
    "1,000 operands": "const a = 1\nreturn " + " + ".join(["a"] * 1000),
    "1,000 operands of all kinds": "const a = 1\nreturn "
    + "".join(f"a {'+-*/%&|^'[i % 8]} " for i in range(999))
    + "a",
    "1,000 operands with await": "const a = 1\nreturn " + " + ".join(["await a"] * 1000),
    "1,000 && and ||": "const a = 1\nreturn " + " && ".join(["a"] * 1000),
    "10,000 && and ||": "const a = 1\nreturn " + " && a || ".join(["a"] * 5000),
    "10,000 ??": "const a = null\nreturn " + " ?? ".join(["a"] * 10_000),
    "10,000 operands of all kinds": "const a = 1\nreturn "
    + "".join(f"a {'+-*/%&|^'[i % 8]} " for i in range(9999))
    + "a",
    "10,000 comparisons": "const a = 1\nreturn " + " < ".join(["a"] * 10_000),
    "10,000 powers of calls": "const f = () => 1\nreturn " + " + ".join(["f()"] * 9000),
    "10,000 arguments": "return Math.max(" + "1, " * 10_000 + "2)",
    "6,000 values in a template": "const a = 1\nreturn `" + "${a}" * 6000 + "`",
    "12,000 expressions with commas": "let a = 1\nreturn (" + "a, " * 12_000 + "a)",
    "6,000 spreads": "const a = [1]\nreturn [" + "...a, " * 6000 + "].length",
    "190 blocks": _nested("{", "return 1", "}", 190),
    "190 conditions that nest": "const a = 1\n" + _nested("if (a) {", "return 1", "}", 95),
    "95 conditions with await": "const a = 1\n" + _nested("if (await a) {", "return 1", "}", 95),
    "95 loops": "let n = 0\n" + _nested("do {", "n++", "} while (0)", 95) + "\nreturn n",
    "95 try": "let n = 0\n" + _nested("try {", "n++", "} finally {}", 95) + "\nreturn n",
    "95 switch": "let n = 0\n" + _nested("switch (0) { case 0:", "n++", "}", 95) + "\nreturn n",
    "95 objects": "const a = " + _nested("{ a: ", "1", "}", 95) + "\nreturn a",
    "95 patterns": "const " + _nested("{ a: ", "b = 1", " } = {}", 95) + "\nreturn b",
    "95 array patterns": "const " + _nested("[", "b = 1", "] = []", 95) + "\nreturn b",
    "95 default values": "const f = " + _nested("(a = ", "1", ") => a", 60) + "\nreturn f()()",
    "95 templates": "return " + _nested("`${", "1", "}`", 95),
    "190 parentheses": "return " + _nested("(", "1", ")", 190),
    "190 exclamation marks": "return " + "!" * 190 + "1",
    "190 minus signs": "return " + "- " * 190 + "1",
    "190 typeof": "return " + "typeof " * 190 + "1",
    "190 powers": "return " + "1 ** " * 190 + "1",
    "190 assignments": "let a\nreturn " + "a = " * 190 + "1",
    "95 functions in functions": _nested("return (function () {", "return 1", "})()", 95),
    "95 closures": "".join(f"const v{i} = {i}; const f{i} = () => {{ " for i in range(95))
    + "return "
    + " + ".join(f"v{i}" for i in range(95))
    + "".join(f" }}; return f{i}()" for i in reversed(range(95))),
    "95 async functions": _nested("return await (async () => {", "return 1", "})()", 60),
    "1,000 ??": "const a = null\nreturn " + " ?? ".join(["a"] * 1000),
    "190 conditions": "const a = 0\nreturn " + "a ? 1 : " * 190 + "2",
    "190 members": "const a = {}\na.a = a\nreturn typeof a" + ".a" * 190,
    "190 optional members": "const a = {}\na.a = a\nreturn typeof a" + "?.a" * 190,
    "190 calls": "const f = () => f\nreturn typeof f" + "()" * 190,
    "1,000 cases": "switch (999) { "
    + " ".join(f"case {i}: return {i};" for i in range(1000))
    + " }",
    "1,000 variables": "".join(f"let v{i} = {i}\n" for i in range(1000)) + "return v999",
    "1,000 captured variables": "".join(f"let v{i} = {i}\n" for i in range(1000))
    + "const f = () => ["
    + ", ".join(f"v{i}" for i in range(1000))
    + "]\nreturn f().length",
    "1,000 parameters": f"const f = ({', '.join(f'p{i}' for i in range(1000))}) => p999\n"
    f"return f({', '.join(map(str, range(1000)))})",
    "1,000 values in a template": "const a = 1\nreturn `" + "${a}" * 1000 + "`",
    "1,000 functions": "".join(f"function f{i}() {{ return {i} }}\n" for i in range(1000))
    + "return f999()",
    "8,000 statements": "let n = 0\n" + "n++\n" * 8000 + "return n",
    "6,500 else if": "const n = 0; " + "if (n); else " * 6500 + "return 1",
    "10,000 operands": "const a = 1\nreturn " + " + ".join(["a"] * 10_000),
    "19,000 elements": "return [" + "1," * 19_000 + "].length",
    "9,000 properties": "return Object.keys({" + "".join(f"k{i}: 1, " for i in range(9000)) + "})",
    "a comment to the limit": "/*" + " " * (LONGEST - 20) + "*/ return 1",
    "a string to the limit": f'return "{"x" * (LONGEST - 20)}".length',
    "empty lines to the limit": "\n" * (LONGEST - 20) + "return 1",
    "stars in a comment": "/*" + "*" * (LONGEST - 20) + "*/ return 1",
    "40 labels": "".join(f"a{i}: " for i in range(40)) + "{ break a0 }",
    "20 try": "let n = 0\ntry { "
    + _nested("try { ", "throw 1", " } finally { n++ }", 19)
    + " } finally { return n }",
    "2,000 assignments in a row": "let a\n" + "a = 1, " * 2000 + "a\nreturn a",
}
"""Names and texts of sources that compile and run."""


WRONG: Final[dict[str, str]] = {
    "a source one too long": " " * (LONGEST + 1),
    "a source far too long": "x = 1\n" * 1_000_000,
    "40,001 tokens": ";" * 40_001,
    "a source full of tokens": ";" * LONGEST,
    **{
        f"10,000 {opener}": opener * 10_000
        for opener in (
            "[",
            "{",
            "(",
            "(()=>",
            "f(",
            "[[",
            "({a:",
            "`${",
            "a?b:",
            "a=>",
            "!",
            "- ",
            "typeof ",
            "await ",
            "new ",
            "if(a)",
            "if(a){",
            "for(;;)",
            "while(a)",
            "do ",
            "try{",
            "switch(a){",
            "switch(a){case 1:",
            "function f(){",
            "async()=>{",
            "a:",
            "a=",
            "a=>{",
            "[a=",
            "{a:",
            "var[",
            "let{a:",
            "a**",
            "a?.(",
            "a[",
            "...",
            "[...",
            "f(...",
            "else ",
            "return ",
            "throw ",
            "case 1:",
            "delete ",
            "void ",
            "{x",
            "/",
            "'",
            '"',
            "\\",
            "\\u",
            "#",
            "@",
            "<!--",
            "-->",
            "//",
            "``",
            "`",
            "$",
            "${",
            "\u00e9",
            "\U0001f600",
            "\ud800",
            "\u2028",
            "0x",
            "1_",
            "1.",
            ".",
            "1e",
            "08",
            "9n",
            "async ",
            "get ",
            "class ",
            "class A{",
            "yield ",
            "import ",
            "import(",
            "export ",
            "with(a)",
            "enum ",
            "super.",
            "this.",
            "debugger;",
        )
    },
    **{
        f"10,000 {opener} closed": _nested(opener, "", closer, 10_000)
        for opener, closer in (
            ("[", "]"),
            ("{", "}"),
            ("(", ")"),
            ("(a", ")"),
            ("f(", ")"),
            ("`${", "}`"),
            ("[a,", "]"),
            ("({a:", "})"),
            ("{a;", "}"),
            ("if(a){", "}"),
            ("()=>{", "}"),
            ("function f(){", "}"),
            ("try{", "}finally{}"),
            ("do{", "}while(a)"),
            ("a?", ":b"),
            ("var[", "]=a"),
            ("let{a:", "}=a"),
            ("{", "{"),
            ("]", "["),
            (")", "("),
            ("}", "{"),
        )
    },
    "/* 100,000 times": "/* " * 87_000,
    "/* far too often": "/* " * 100_000,
    "`${ 80,000 times": "`${" * 80_000,
    "\\ to the limit": "\\" * LONGEST,
    "quotes to the limit": "'" * LONGEST,
    "an open string to the limit": "'" + "a" * (LONGEST - 1),
    "an open string of escapes": "'" + "\\'" * (LONGEST // 2 - 1),
    "an open template of escapes": "`" + "\\`" * (LONGEST // 2 - 1),
    "an open regular expression": "a = /" + "[" * (LONGEST - 5),
    "regular expressions": _to_the_limit("a = /[/]/g"),
    "slashes on a line": "a = " + "/ " * (LONGEST // 2 - 4),
    "mistakes on every line": _to_the_limit("let let = = ("),
    "unknown names on every line": _to_the_limit("conzole.log(unknownName)"),
    "redeclared names": "let a\n" * (LONGEST // 6),
    "closers on every line": _to_the_limit("a) b] c}"),
    "Python on every line": _to_the_limit("def f(x): return None"),
    "an open brace on every line": _to_the_limit("if (a) {"),
    "an open parenthesis on every line": _to_the_limit("foo(bar, "),
    "an open bracket on every line": _to_the_limit("a = [1, 2"),
    "front matter to the limit": "```\n" + "a: b\n" * 50_000 + "```\n",
    "front matter of anchors": "```\n" + "a: &a [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" * 100 + "```\n",
    "deep front matter": "```\ninputs: " + "[" * 10_000 + "\n```\n",
    "deep front matter, indented": "```\n"
    + "".join(" " * i + "a:\n" for i in range(170))
    + "```\n",
    "open front matter": "```\n" + "a" * (LONGEST - 10),
    "a name to the limit, unknown": "a" * LONGEST + ".b",
    "an escaped name to the limit": "\\u0061" * (LONGEST // 6),
    "a long number": "1" * (LONGEST - 10) + "n",
    "numbers with separators": "1_" * (LONGEST // 2),
    "names alike": "".join(f"let name{i} = 1\n" for i in range(3000)) + "nam1\n" * 3000,
    "9,999 names, none known": " + ".join(f"name{i}" for i in range(9999)),
    "201 blocks": _nested("{", "", "}", 201),
    "labels in labels": "".join(f"a{i}: " for i in range(5000)) + ";",
}
"""Names and texts of sources that are refused, or would be if they were not strange but right."""


def all_sources() -> Iterator[tuple[str, str, bool]]:
    """Every source: its name, its text, and whether it is legal."""
    for name, text in LEGAL.items():
        yield name, text, True
    for name, text in WRONG.items():
        yield name, text, False
