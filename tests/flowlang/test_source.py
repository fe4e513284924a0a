"""Texts in UTF-16 units and in characters: both ways, for every mixture of halves of pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowlang.source import Source, from_units, join_pairs, surrogates_in, to_units

UNITS = st.text(
    st.sampled_from('a"\\\n\x00\u007f\u00e9\u2028\ud800\ud83d\udbff\udc00\ude00\udfff\ue000\uffff')
    | st.characters(max_codepoint=0xFFFF)
)


@given(UNITS, st.sampled_from([1, 5000]))
def test_joining_pairs_is_what_utf_16_says(units: str, times: int) -> None:
    units *= times
    expected = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

    joined = join_pairs(units)

    assert joined == expected
    assert to_units(joined) == units


@given(UNITS)
def test_a_lone_half_leaves_as_a_replacement_character(units: str) -> None:
    expected = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    assert from_units(units) == expected


@given(UNITS)
def test_surrogates_are_counted(units: str) -> None:
    assert surrogates_in(units) == sum("\ud800" <= unit <= "\udfff" for unit in units)


@given(st.text(st.sampled_from("ab\n\r\u2028\u2029")), st.data())
def test_lines_end_where_the_next_one_begins(text: str, data: st.DataObject) -> None:
    source = Source(text, "a.flow")
    offset = data.draw(st.integers(0, len(text)))

    line, column = source.position(offset)

    begin = source.line_start(line)
    assert begin + column - 1 == offset
    assert text[begin:].startswith(source.line(line))
    assert text[begin + len(source.line(line)) :][:1] in ("", "\n", "\r", "\u2028", "\u2029")
