"""Pages of a list that is made anew for each request, and goes on where the page before ended."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sagesmith.store import InvalidToken
from sagesmith.store.tokens import decode_token, encode_token
from sagesmith.wire.errors import AwsError

T = TypeVar("T")


def page_of(
    found: Sequence[T], token: str | None, size: int, of: str, refused: Callable[[], AwsError]
) -> tuple[list[T], str | None]:
    """A page, and the token of the next one, None if there is none.

    Args:
        token: of the request, None for the first page.
        of: what is listed; a token of another list is refused.
        refused: the service's error for a token that was not given out for this list.
    """
    first = 0 if token is None else _offset(token, of, refused)
    page = list(found[first : first + size])
    more = first + len(page) < len(found)
    return page, encode_token(of, first + len(page)) if more else None


def _offset(token: str, of: str, refused: Callable[[], AwsError]) -> int:
    try:
        match decode_token(token):
            case [str(kind), int(offset)] if kind == of and offset >= 0:
                return offset
    except InvalidToken:
        pass
    raise refused()
