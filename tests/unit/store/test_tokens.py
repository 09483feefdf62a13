from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.store import InvalidToken
from sagesmith.store.tokens import decode_token, encode_token

_parts = st.lists(st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))


@given(_parts)
def test_a_token_gives_back_its_parts_exactly(parts: list[str | float]) -> None:
    assert decode_token(encode_token(*parts)) == parts


@given(st.text())
def test_any_text_is_a_token_or_is_refused(text: str) -> None:
    with suppress(InvalidToken):
        decode_token(text)


@pytest.mark.parametrize("token", ["", "e30", "MQ", "====", "ü"])
def test_what_is_no_list_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        decode_token(token)
