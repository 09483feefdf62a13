"""From what a handler returned or raised to an HTTP answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Iterator  # noqa: UP035

from sagesmith.modelserver import codecs, streams
from sagesmith.modelserver.errors import HandlerFailed, InvocationError

if TYPE_CHECKING:
    from sagesmith.http.messages import Headers
    from sagesmith.modelserver.handlers import Context

MESSAGE_LIMIT = 4096


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        headers: further ones, names in lower case.
        pieces: in place of a body, what the handler's thread makes one of, or what is made on its way.
    """

    status: int
    content_type: str
    body: bytes
    headers: Headers | None = None
    pieces: Iterator[Any] | streams.PieceStream | None = None


def answer(result: Any, accept: str) -> Answer:
    """The answer that a handler's return value stands for.

    A value is text or bytes (of the type that was asked for), a pair of a body and its content type, an object like
    Flask's Response, a dictionary or list, which become JSON, or a generator of such pieces, which are sent one by one.

    Raises:
        HandlerFailed: it is none of these.
    """
    if isinstance(result, Answer):
        return result
    if isinstance(result, tuple):
        if len(result) < 2 or not isinstance(result[1], str):
            raise HandlerFailed("output_fn returned a tuple that is not (body, content type)", kind="TypeError")
        return _answer(200, _content_type(result[1]), result[0])
    if hasattr(result, "get_data") and hasattr(result, "status_code"):
        kind = getattr(result, "content_type", None) or getattr(result, "mimetype", None) or accept
        return _answer(int(result.status_code), _content_type(str(kind)), result.get_data())
    if isinstance(result, (dict, list)):
        return Answer(200, codecs.JSON, _body(result))
    kinds = codecs.acceptable(accept)
    return _answer(200, _content_type(kinds[0] if kinds else codecs.JSON), result)


def with_context(made: Answer, context: Context) -> Answer:
    """An answer with what its handler asked for by the context that it got."""
    if context.status is None and not context.headers:
        return made
    return replace(made, status=made.status if context.status is None else context.status, headers=context.headers)


def failure(error: InvocationError) -> Answer:
    """The answer for an error, in the form of AWS's framework containers less their stack trace (that is logged)."""
    body = {"error": error.kind, "error-message": str(error)[:MESSAGE_LIMIT]}
    return Answer(error.status, codecs.JSON, json.dumps(body).encode("utf-8"))


def from_exception(error: BaseException) -> InvocationError:
    """The invocation error for whatever a handler raised.

    An exception with a `status_code` (Amazon's inference toolkit) or `code` (Werkzeug) from 400 to 599 chooses its
    status.
    """
    if isinstance(error, InvocationError):
        return error
    if isinstance(error, SystemExit):
        return HandlerFailed(f"The handler called sys.exit({error.code!r}).", kind="SystemExit")
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    message = str(getattr(error, "message", None) or getattr(error, "description", None) or error)
    chosen = status if isinstance(status, int) and 400 <= status <= 599 else None
    return HandlerFailed(message, kind=type(error).__name__, status=chosen)


def _content_type(kind: str) -> str:
    """As Flask completes it, which AWS's framework containers answer through: text has a charset."""
    return f"{kind}; charset=utf-8" if kind.startswith("text/") and ";" not in kind else kind


def _answer(status: int, content_type: str, value: Any) -> Answer:
    if streams.is_stream(value):
        return Answer(status, content_type, b"", pieces=value)
    return Answer(status, content_type, _body(value))


def _body(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (dict, list)):
        try:
            return codecs.to_json(value)
        except (TypeError, ValueError) as error:
            raise HandlerFailed(
                f"What the handler returned cannot be written as JSON: {error}", kind="TypeError"
            ) from error
    raise HandlerFailed(
        f"The handler returned {type(value).__name__}; str, bytes, dict, list, a generator or (body, content type) was "
        "expected.",
        kind="TypeError",
    )
