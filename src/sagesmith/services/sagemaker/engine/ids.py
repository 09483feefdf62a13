"""Ids that the service makes: `d-8q3zk1w7x2ab`."""

import secrets

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_id(prefix: str = "", length: int = 12) -> str:
    """An id that nothing has yet: lower case letters and digits, after a prefix."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))
