"""Vectors of tokens that were learned before: GloVe's and fastText's text files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.object2vec.network import Network
from sagesmith.algorithms.text import loads


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Vectors by the tokens' numbers.

    Attributes:
        tokens: int64, shape (tokens,).
        vectors: float32, shape (tokens, dimensions).
    """

    tokens: Any
    vectors: Any

    @classmethod
    def into(cls, network: Network, values: Mapping[str, Any], sources: Mapping[str, Source]) -> None:
        """Put them into the encoders that are to have some.

        Raises:
            CustomerError: the files are not there, or not what they should be.
        """
        for number, name in enumerate(("enc0", "enc1")):
            file = values[f"{name}_pretrained_embedding_file"]
            if not file:
                continue
            size, count = values[f"{name}_token_embedding_dim"], values[f"{name}_vocab_size"]
            found = cls._read(
                _path(file, sources), _vocabulary(_path(values[f"{name}_vocab_file"], sources), count), size
            )
            table = network.encoders[number].tokens.weight
            with torch.no_grad():
                table[torch.from_numpy(found.tokens)] = torch.from_numpy(found.vectors)
            table.requires_grad = not values[f"{name}_freeze_pretrained_embedding"]

    @classmethod
    def _read(cls, path: Path, vocabulary: Mapping[str, int], size: int) -> "Pretrained":
        tokens, vectors = [], []
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = line.rstrip().split(" ")
                # fastText's files begin with the number of words and their dimensions.
                if (number == 1 and len(words) == 2) or words[0] not in vocabulary:
                    continue
                place = f"file auxiliary/{path.name}, line {number}"
                if len(words) != size + 1:
                    raise CustomerError(f"The vector has {len(words) - 1} numbers, not {size} ({place})")
                try:
                    vectors.append(np.array(words[1:], np.float32))
                except ValueError as error:
                    raise CustomerError(f"The vector is not one of numbers: {error} ({place})") from None
                tokens.append(vocabulary[words[0]])
        if not tokens:
            raise CustomerError(f"The file auxiliary/{path.name} has none of the vocabulary's tokens.")
        return cls(np.array(tokens), np.stack(vectors))


def _path(name: str, sources: Mapping[str, Source]) -> Path:
    for channel in ("auxiliary", "train"):
        if channel in sources and (sources[channel].folder / name).is_file():
            return sources[channel].folder / name
    raise CustomerError(f"There is no file {name} in the channel 'auxiliary'.")


def _vocabulary(path: Path, count: int) -> dict[str, int]:
    try:
        found = loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CustomerError(f"The file auxiliary/{path.name} is not JSON: {error}") from None
    if not isinstance(found, dict) or not all(type(each) is int and 0 <= each < count for each in found.values()):
        raise CustomerError(f"The file auxiliary/{path.name} must be an object of tokens and numbers below {count}.")
    return found
