"""A Sequence-to-Sequence model: targets of sources, as text or as numbers."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sagesmith.algorithms import catalogue, networks, serving
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.declaration import JSON_LINES, RECORDIO
from sagesmith.algorithms.errors import BadRequest, CustomerError, Unreadable
from sagesmith.algorithms.seq2seq.corpus import BEGIN, END, FILES, SOURCE, TARGET, Vocabulary, parsed, sequences
from sagesmith.algorithms.seq2seq.network import Network
from sagesmith.algorithms.seq2seq.search import Found, beams
from sagesmith.algorithms.sequences import Sequences
from sagesmith.algorithms.text import entries, instances, loads

FILE = "seq2seq.json"
WEIGHTS = "weights.npz"
_ROWS = 32
_EXAMPLE = '{"instances": [{"data": "…"}]}'


@dataclass(frozen=True, slots=True)
class Translator:
    """Answers requests by a network.

    Attributes:
        values: the hyperparameters.
        vocabularies: of `source` and `target`.
    """

    network: Network
    values: Mapping[str, Any]
    vocabularies: Mapping[str, Vocabulary]

    def answer(self, body: bytes, content_type: str, _accept: str) -> tuple[bytes, str]:
        """The answer's type is the request's, whatever Accept says."""
        kind = serving.readable(content_type, catalogue.algorithm("seq2seq"))
        if kind == RECORDIO:
            found = self._find(self._records(body))
            records = (protobuf.write({TARGET: np.array(each.tokens, np.int32)}) for each in found)
            return recordio.write(records), kind
        if kind == JSON_LINES:
            texts = [_text(entry, SOURCE, place) for entry, place in entries(body)]
            answers = [{TARGET: self._words(each)} for each in self._find(self._tokens(texts))]
            return "".join(json.dumps(each) + "\n" for each in answers).encode(), kind
        asked, _ = instances(body, _EXAMPLE)
        texts = [_text(entry, "data", f"instance {number}") for number, entry in enumerate(asked)]
        predictions = [
            {TARGET: self._words(each), **({"matrix": each.attention} if _wants_matrix(entry) else {})}
            for entry, each in zip(asked, self._find(self._tokens(texts)), strict=True)
        ]
        return json.dumps({"predictions": predictions}).encode(), kind

    def _words(self, found: Found) -> str:
        return self.vocabularies[TARGET].decoded(found.tokens)

    def _tokens(self, texts: Sequence[Sequence[str]]) -> Sequences:
        return Sequences.listed(
            [self.vocabularies[SOURCE].encoded(words) for words in texts], self.values["max_seq_len_source"]
        )

    def _records(self, body: bytes) -> Sequences:
        size, limit = self.vocabularies[SOURCE].size, self.values["max_seq_len_source"]
        tokens, counts = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        try:
            for found in recordio.frames(io.BytesIO(body), "the request"):
                each = sequences(parsed(found, "the request"), SOURCE, size, limit, found, "the request")
                tokens.append(each[0])
                counts.append(each[1])
        except Unreadable as error:
            raise BadRequest(str(error)) from None
        return Sequences.of(np.concatenate(tokens), np.concatenate(counts))

    def _find(self, sources: Sequences) -> list[Found]:
        numbers = self.vocabularies[TARGET].numbers
        found: list[Found] = []
        for start in range(0, len(sources), _ROWS):
            tokens, lengths = sources.padded(slice(start, start + _ROWS))
            found += beams(
                self.network,
                torch.from_numpy(tokens),
                torch.from_numpy(lengths),
                beam=self.values["beam_size"],
                longest=self.values["max_seq_len_target"],
                begin=numbers[BEGIN],
                end=numbers[END],
            )
        return found


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    try:
        values = loads((model_dir / FILE).read_text(encoding="utf-8"))
        network = Network(values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of Sequence-to-Sequence: {FILE}: {error}") from error
    networks.load_weights(network, model_dir / WEIGHTS, "Sequence-to-Sequence")
    return Translator(network, values, {key: Vocabulary.read(model_dir / name) for key, name in FILES.items()})


def _text(entry: Any, key: str, place: str) -> list[str]:
    """The tokens of an instance."""
    text = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(text, str) or not text.split():
        raise BadRequest(f"'{key}' must be a text of one token or more ({place}).")
    return text.split()


def _wants_matrix(entry: Mapping[str, Any]) -> bool:
    configuration = entry.get("configuration")
    return isinstance(configuration, dict) and str(configuration.get("attention_matrix")).lower() == "true"
