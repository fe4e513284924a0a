"""Case and normal forms stay those of Unicode 14, whatever Python brings."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from flowlang.library import unicode
from flowlang.library.unicode import lower_case, normal_form, upper_case
from flowlang.source import join_pairs, to_units

ADDED_IN_15 = "\U0001e030"  # a modifier letter that decomposes to "а" (compatibility)
ADDED_IN_16 = "\ua7cb"  # the upper case of ɤ


@given(st.text(max_size=8))
def test_old_text_changes_as_pythons_text_does(text: str) -> None:
    units = to_units(text)

    if unicodedata.unidata_version == "14.0.0":
        assert join_pairs(upper_case(units)) == text.upper()
        assert join_pairs(lower_case(units)) == text.lower()
        assert join_pairs(normal_form("NFKC", units)) == unicodedata.normalize("NFKC", text)


def test_characters_added_later_are_left_alone() -> None:
    text = to_units(f"é{ADDED_IN_15}ß{ADDED_IN_16}")

    assert normal_form("NFKD", text) == to_units(f"e\u0301{ADDED_IN_15}ß{ADDED_IN_16}")
    assert upper_case(text) == to_units(f"É{ADDED_IN_15}SS{ADDED_IN_16}")
    assert lower_case(text) == text


def test_an_old_character_is_not_mapped_to_one_added_later() -> None:
    """As a Python with Unicode 16 would have it: the upper case of ɤ is U+A7CB."""

    def upper_of_unicode_16(text: str) -> str:
        return text.upper().replace("ɤ", ADDED_IN_16)

    changed = unicode.by_known_stretches(upper_of_unicode_16, "aɤß")

    assert changed == "AɤSS"


def test_final_sigma_and_astral_letters() -> None:
    assert lower_case("ΟΔΟΣ ΣΑΣ") == "οδος σας"
    assert lower_case(to_units("𐐀")) == to_units("𐐨")
    assert upper_case("\ud83dß") == "\ud83dSS"
