"""Pages of what does not come from the store as a page: any sequence that is sorted by a key of its own."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from sagesmith.store import InvalidToken
from sagesmith.store.tokens import decode_token, encode_token
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError, ValidationException

T = TypeVar("T")
DEFAULT_PAGE = 10


def page_size(params: Params, default: int = DEFAULT_PAGE) -> int:
    """How many a List input asks for at most; 0 asks for as many as there usually are.

    Raises:
        ValidationException: fewer than none, which the shape of some inputs does not exclude.
    """
    size: int = params.get("MaxResults") or default
    if size < 0:
        raise ValidationException(
            f"1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1"
        )
    return size


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
        ValidationException: the token is none of ours, or MaxResults is negative.
    """
    ordered = sorted(items, key=key, reverse=descending)
    if token := params.get("NextToken"):
        try:
            (after,) = decode_token(token)
            ordered = [item for item in ordered if (key(item) < after if descending else key(item) > after)]
        except (InvalidToken, ValueError, TypeError) as error:
            raise invalid_token() from error
    limit = page_size(params, default)
    page = ordered[:limit]
    return page, encode_token(key(page[-1])) if len(ordered) > limit else None
