from hypothesis import given
from hypothesis import strategies as st

from sagesmith.store.names import match_expression
from sagesmith.store.terms import Terms

TERMS = Terms("model", "us-east-1")


@given(st.text(max_size=30), st.text(max_size=10), st.text(max_size=30))
def test_a_name_has_every_term_of_every_part_of_it(before: str, part: str, after: str) -> None:
    assert TERMS.grams(part) <= TERMS.grams(before + part + after)


@given(st.text())
def test_terms_fit_a_signed_64_bit_integer(text: str) -> None:
    assert all(0 <= term < 2**63 for term in TERMS.grams(text) | {TERMS.status(text), TERMS.parent(text)})


def test_terms_tell_status_parent_facet_kind_and_region_apart() -> None:
    other = [Terms("model", "eu-west-1"), Terms("endpoint", "us-east-1")]
    found = [TERMS.status("x"), TERMS.parent("x"), TERMS.facet("x", ""), TERMS.facet("", "x")]
    found += [terms.status("x") for terms in other]
    assert len(set(found)) == len(found)


def test_names_shorter_than_a_trigram_have_no_terms() -> None:
    assert TERMS.grams("ab") == set()


def test_quotation_marks_of_a_name_cannot_end_a_match_expression() -> None:
    assert match_expression('a"b') == '"a""b"'
