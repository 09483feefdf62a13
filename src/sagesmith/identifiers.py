"""Random identifiers, without the objects that `uuid` makes on the way."""

import os


def random_uuid() -> str:
    """A random UUID (RFC 9562, version 4) in its usual form."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
