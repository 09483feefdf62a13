"""Page tokens: where the next page begins, opaque to clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson

from sagesmith.store.base import InvalidToken


def encode_token(*parts: str | float) -> str:
    """An opaque token of `parts`, safe in a URL."""
    return urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


def decode_token(token: str) -> list[Any]:
    """The parts of a token that `encode_token` made. Raises InvalidToken for anything else."""
    try:
        parts = orjson.loads(urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)))
    except ValueError as error:
        raise InvalidToken("the token was not given out here") from error
    if not isinstance(parts, list):
        raise InvalidToken("the token was not given out here")
    return parts
