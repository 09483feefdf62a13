"""Texts as tokens, and tokens as batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from sagesmith.algorithms.encoder.data import Text
from sagesmith.algorithms.errors import CustomerError

LONGEST = 256
"""Tokens of a text, or of both sentences of a pair; it is cut off there. The encoder was trained on no more."""
_AHEAD = 50
"""Batches whose texts are sorted by length together: what is padded is little, and chance still orders."""


def tokenizer(data: str) -> Tokenizer:
    """The tokenizer that a `tokenizer.json` describes.

    Raises:
        CustomerError: it describes none.
    """
    try:
        made = Tokenizer.from_str(data)
    except Exception as error:  # which has no class of its own
        raise CustomerError(f"The model artifact's tokenizer.json is not one: {error}") from error
    made.no_padding()
    made.enable_truncation(LONGEST)
    return made


@dataclass(frozen=True, slots=True)
class Tokens:
    """Texts as they go into the encoder.

    Attributes:
        numbers, kinds: of each text its tokens' numbers, and of which sentence of a pair they are.
    """

    numbers: Sequence[Any]
    kinds: Sequence[Any]

    @classmethod
    def of(cls, texts: Sequence[Text], tokenizer: Tokenizer) -> "Tokens":
        found = tokenizer.encode_batch(texts)
        numbers = [np.array(each.ids, np.int64) for each in found]
        return cls(numbers, [np.array(each.type_ids, np.int64) for each in found])

    def __len__(self) -> int:
        return len(self.numbers)

    def batch(self, rows: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Some of the texts, padded to the longest of them, as `Encoder` takes them."""
        lengths = np.array([len(self.numbers[row]) for row in rows])
        shape = (len(rows), int(lengths.max()))
        numbers, kinds = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for at, row in enumerate(rows):
            numbers[at, : lengths[at]] = self.numbers[row]
            kinds[at, : lengths[at]] = self.kinds[row]
        mask = np.arange(shape[1]) < lengths[:, None]
        return torch.from_numpy(numbers), torch.from_numpy(kinds), torch.from_numpy(mask)

    def order(self, rows: Any, size: int, random: np.random.Generator | None) -> Iterator[Any]:
        """Batches of rows of about the same length, in an order that is random, or in none with `random` None."""
        if random is not None:
            rows = random.permutation(rows)
        together = len(rows) if random is None else _AHEAD * size
        for start in range(0, len(rows), max(together, 1)):
            some = rows[start : start + together]
            lengths = np.array([len(self.numbers[row]) for row in some])
            some = some[np.argsort(lengths, kind="stable")]
            batches = [some[at : at + size] for at in range(0, len(some), size)]
            for at in range(len(batches)) if random is None else random.permutation(len(batches)):
                yield batches[at]
