"""Tokens: numbers sort as they compare, ranges are told by few prefixes, paths do not mix."""

import math

from hypothesis import example, given
from hypothesis import strategies as st

from sagesmith.store import Document, number_of, properties

NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**70), 2**70)


def document(**body: object) -> Document:
    return Document("model", "us-east-1", "m", "m", "arn", dict(body))


def tokens(path: str, value: object, kind: str = "model") -> set[str]:
    """The tokens of one value, less the place that they have in common."""
    place = properties.place(kind, "us-east-1", path)
    found = properties.tokens(document(**{path: value}), {}).split()
    return {each.removeprefix(place) for each in found if each.startswith(place)}


@given(NUMBERS, NUMBERS, NUMBERS)
@example(0.0, -0.0, 0.0)
@example(-math.inf, math.inf, 1e308)
@example(1.0, 1.0, 1.0)
def test_a_number_has_a_token_in_a_range_if_it_lies_in_it(low: float, high: float, number: float) -> None:
    prefixes = properties.number_prefixes(low, high)
    told = any(token.startswith(prefix) for token in tokens("Number", number) for prefix in prefixes)
    assert told == (float(low) <= float(number) <= float(high))


@given(NUMBERS, NUMBERS)
def test_a_range_takes_few_prefixes(low: float, high: float) -> None:
    prefixes = properties.number_prefixes(low, high)
    assert len(prefixes) == len(set(prefixes)) <= 2 * 15 * 16


@given(st.text() | st.booleans() | st.floats(allow_nan=False))
def test_a_value_is_told_by_its_own_token(value: str | float | bool) -> None:
    assert properties.value_token(value) in tokens("Value", value)


def test_a_text_that_spells_a_number_is_also_told_as_one() -> None:
    assert properties.value_token(0.5) in tokens("Value", "0.50")
    assert properties.value_token(5.0) not in tokens("Value", True)
    for text in ("", "1_000", "nan", "inf", "0x10", "1e999", " 1", "1\n", "٣"):
        assert number_of(text) is None, text
    for text, number in (("1", 1.0), ("-.5", -0.5), ("+1e-3", 0.001), ("2.", 2.0)):
        assert number_of(text) == number


def test_places_differ_by_kind_region_and_path() -> None:
    said = [("a", "b", "c.d"), ("a", "b", "c"), ("a", "c", "c"), ("b", "b", "c"), ("a", "", "b\0c")]
    assert len({properties.place(*each) for each in said}) == len(said)


def test_hidden_members_and_nothing_have_no_tokens() -> None:
    assert properties.tokens(document(_hidden="x", Empty=[], Nothing=None), {}) == properties.tokens(document(), {})


def test_elements_of_lists_lie_at_the_lists_path() -> None:
    listed = properties.tokens(document(List=[{"Name": "a"}, {"Name": "b"}]), {}).split()
    for value in ("a", "b"):
        assert properties.place("model", "us-east-1", "List.Name") + properties.value_token(value) in listed
