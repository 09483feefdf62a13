import json
from typing import Any

import pytest

from sagesmith.modelserver.answers import Answer, answer, failure, from_exception
from sagesmith.modelserver.errors import BadInput, HandlerFailed, Overloaded


class FlaskLike:
    status_code = 201
    content_type = "text/csv"

    def get_data(self) -> bytes:
        return b"1,2"


class HttpError(Exception):
    code = 404
    description = "no such thing"


def test_a_response_object_keeps_its_status_and_type() -> None:
    assert answer(FlaskLike(), "application/json") == Answer(201, "text/csv; charset=utf-8", b"1,2")


def test_text_is_of_the_type_that_was_asked_for_most() -> None:
    assert answer("x", "text/plain;q=0.5, application/x-own").content_type == "application/x-own"


def test_a_tuple_without_a_content_type_is_refused() -> None:
    with pytest.raises(HandlerFailed, match="not \\(body, content type\\)"):
        answer(("x",), "application/json")


def test_a_failure_says_what_and_why_and_no_more_than_4096_characters() -> None:
    told = json.loads(failure(BadInput("y" * 10_000)).body)
    assert told == {"error": "BadInput", "error-message": "y" * 4096}


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ValueError("bad"), 500, "ValueError"),
        (SystemExit(2), 500, "SystemExit"),
        (HttpError(), 404, "HttpError"),
        (Overloaded("full"), 503, "Overloaded"),
        (KeyError("column"), 500, "KeyError"),
    ],
)
def test_an_exception_becomes_an_invocation_error(error: BaseException, status: int, kind: str) -> None:
    found = from_exception(error)
    assert (found.status, found.kind) == (status, kind)


@pytest.mark.parametrize("code", [200, 302, 1000, "404", None])
def test_an_exceptions_code_that_is_no_error_status_is_not_taken(code: Any) -> None:
    error = HttpError()
    error.code = code
    assert from_exception(error).status == 500
