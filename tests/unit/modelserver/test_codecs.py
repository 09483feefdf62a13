import pytest

from sagesmith.modelserver.codecs import acceptable, decode, encode, media_type
from sagesmith.modelserver.errors import BadInput, HandlerFailed, NotAcceptable, UnsupportedInput


@pytest.mark.parametrize(
    ("header", "kinds"),
    [
        ("text/csv", ["text/csv"]),
        ("*/*", ["application/json"]),
        ("application/*", ["application/json"]),
        ("text/csv;q=0.1, application/x-npy", ["application/x-npy", "text/csv"]),
        ("text/csv; charset=utf-8; q=0", []),
        ("text/csv;q=none", []),
        ("", []),
        (" TEXT/CSV , ,", ["text/csv"]),
    ],
)
def test_accept_is_read_best_first(header: str, kinds: list[str]) -> None:
    assert acceptable(header) == kinds


def test_a_content_types_parameters_do_not_matter() -> None:
    assert media_type("Text/CSV; charset=utf-8") == "text/csv"


def test_a_type_without_a_codec_is_refused_before_the_body_is_looked_at() -> None:
    with pytest.raises(UnsupportedInput, match="image/png"):
        decode(b"", "image/png")
    with pytest.raises(NotAcceptable, match="image/png"):
        encode([1], "image/png")


def test_an_empty_body_is_bad_input() -> None:
    with pytest.raises(BadInput, match="empty"):
        decode("", "text/csv")


def test_a_prediction_that_json_does_not_know_fails_by_its_types_name() -> None:
    with pytest.raises(HandlerFailed, match="object"):
        encode(object(), "application/json")
