"""What a document can be found by, as 64-bit hashes: its status, its parent, its facets, and (on PostgreSQL, see
`names`) every three successive characters of its name. Lists check the real values of what they find, so that a
collision costs time only; facets, which are only here, rely on 64 bits of BLAKE2b."""

from collections.abc import Mapping
from hashlib import blake2b

GRAM = 3
_MASK = (1 << 63) - 1


class Terms:
    """The terms of one kind in one region."""

    __slots__ = ("_base",)

    def __init__(self, kind: str, region: str) -> None:
        self._base = blake2b(f"{kind}\0{region}".encode(), digest_size=8)

    def _hash(self, what: str) -> int:
        state = self._base.copy()
        state.update(what.encode())
        return int.from_bytes(state.digest(), "big") & _MASK

    def status(self, status: str) -> int:
        return self._hash("\0s" + status)

    def parent(self, parent: str) -> int:
        return self._hash("\0p" + parent)

    def facet(self, name: str, value: str) -> int:
        return self._hash(f"\0f{name}\0{value}")

    def grams(self, text: str) -> set[int]:
        """The terms of `text`'s trigrams; none if it is shorter than three characters."""
        return {self._hash(text[at : at + GRAM]) for at in range(len(text) - GRAM + 1)}

    def changing(self, parent: str, status: str, facets: Mapping[str, str]) -> set[int]:
        """The terms of what an update may change."""
        found = {self.facet(name, value) for name, value in facets.items()}
        if status:
            found.add(self.status(status))
        if parent:
            found.add(self.parent(parent))
        return found
