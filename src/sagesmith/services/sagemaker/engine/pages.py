"""Pages of what does not come from the store as a page: any sequence that is sorted by a key of its own."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from sagesmith.store import InvalidToken
from sagesmith.store.tokens import decode_token, encode_token
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError, ValidationException

T = TypeVar("T")
DEFAULT_PAGE = 10


def invalid_token() -> AwsError:
    """A NextToken that was not given out for this request."""
    return ValidationException("Invalid NextToken.")


def paged(
    items: Iterable[T],
    params: Params,
    key: Callable[[T], str | float],
    default: int = DEFAULT_PAGE,
    descending: bool = False,
) -> tuple[list[T], str | None]:
    """The page of `items` that a List input asks for by MaxResults and NextToken, and the next token.

    Args:
        key: what the page is sorted by; unique, so that a page continues after an item even if it is gone.

    Raises:
        ValidationException: the token is none of ours.
    """
    ordered = sorted(items, key=key, reverse=descending)
    if token := params.get("NextToken"):
        try:
            (after,) = decode_token(token)
            ordered = [item for item in ordered if (key(item) < after if descending else key(item) > after)]
        except (InvalidToken, ValueError, TypeError) as error:
            raise invalid_token() from error
    limit = params.get("MaxResults") or default
    page = ordered[:limit]
    return page, encode_token(key(page[-1])) if len(ordered) > limit else None
