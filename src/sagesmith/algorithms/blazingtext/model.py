"""BlazingText's models: fastText's own, from training here or elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.declaration import JSON_LINES
from sagesmith.algorithms.errors import BadRequest, CustomerError
from sagesmith.algorithms.text import entries, instances

MODEL = "model.bin"
VECTORS = "vectors.bin"
# fastText's files begin with a magic number and the version 12.
_HEAD = b"\xba\x16\x4f\x2f\x0c\x00\x00\x00"
_HEADS = (_HEAD, _HEAD[:4] + b"\x0b\x00\x00\x00")


@dataclass(frozen=True, slots=True)
class Words:
    """The vectors of a model's words.

    Attributes:
        words: those that were learned, the most frequent first.
        vectors: float32, of shape (words, dimensions).
    """

    words: list[str]
    vectors: Any

    @classmethod
    def of(cls, model: Any) -> "Words":
        """Those of a fastText model."""
        words = model.f.getVocab("replace")[0]
        if model.f.getArgs().maxn:
            vectors = np.stack([model.get_word_vector(word) for word in words])
        else:
            vectors = np.array(model.f.getInputMatrix())[: len(words)]
        return cls(words, vectors)

    def __len__(self) -> int:
        return len(self.words)

    def write(self, path: Path) -> None:
        """Write them in word2vec's text form."""
        row = " ".join(["%.6g"] * self.vectors.shape[1])
        with path.open("w", encoding="utf-8") as file:
            file.write(f"{len(self.words)} {self.vectors.shape[1]}\n")
            for word, vector in zip(self.words, self.vectors.tolist(), strict=True):
                file.write(f"{word} {row % tuple(vector)}\n")


@dataclass(frozen=True, slots=True)
class Texts:
    """Answers requests by a fastText model: a classifier's labels, or a word's vector."""

    model: Any
    classifier: bool
    labels: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", len(self.model.get_labels()) if self.classifier else 0)

    def answer(self, body: bytes, content_type: str, _accept: str) -> tuple[bytes, str]:
        """As AWS's page has it: the answer's type is the request's, whatever Accept says."""
        kind = serving.readable(content_type, catalogue.algorithm("blazingtext"))
        if kind == JSON_LINES:
            answers = [self._one(text, k) for text, k in _lines(body)]
            return "".join(json.dumps(each) + "\n" for each in answers).encode(), kind
        texts, k = _instances(body)
        return json.dumps([self._one(text, k) for text in texts]).encode(), kind

    def _one(self, text: str, k: int) -> dict[str, Any]:
        # A line's end would end the text for fastText.
        text = " ".join(text.splitlines())
        if not self.classifier:
            return {"vector": self.model.get_word_vector(text).tolist(), "word": text}
        # fastText makes room for as many as it is asked for before it looks how many there are.
        found = self.model.f.predict(text + "\n", min(k, self.labels), 0.0, "replace")
        return {"prob": [min(prob, 1.0) for prob, _ in found], "label": [label for _, label in found]}


def read(path: Path) -> Any:
    """A fastText model.

    Raises:
        CustomerError: it is none.
    """
    import fasttext

    try:
        with path.open("rb") as file:
            head = file.read(len(_HEAD))
        if head not in _HEADS:
            raise ValueError("it is not a file of fastText's")
        return fasttext.load_model(str(path))
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise CustomerError(f"The model artifact is not one of BlazingText: {path.name}: {error}") from error


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written, or fastText itself.

    Raises:
        CustomerError: there is none.
    """
    found = [model_dir / name for name in (MODEL, VECTORS) if (model_dir / name).is_file()]
    if not found:
        raise CustomerError(f"The model artifact is not one of BlazingText: it has neither {MODEL} nor {VECTORS}.")
    model = read(found[0])
    return Texts(model, classifier=model.f.getArgs().model.name == "supervised")


def _instances(body: bytes) -> tuple[list[str], int]:
    texts, request = instances(body, '{"instances": ["…"]}')
    configuration = request.get("configuration") or {}
    if not isinstance(configuration, dict):
        raise BadRequest('"configuration" must be an object, such as {"k": 2}.')
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise BadRequest(f"Instance {number} must be text, not {json.dumps(text)[:100]}.")
    return texts, _k(configuration.get("k", 1))


def _lines(body: bytes) -> Iterator[tuple[str, int]]:
    for entry, place in entries(body):
        if not isinstance(entry, dict) or not isinstance(entry.get("source"), str):
            raise BadRequest(f'Each line must be an object with a text: {{"source": "…"}} ({place}).')
        yield entry["source"], _k(entry.get("k", 1))


def _k(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRequest(f'"k" must be a positive integer, not {json.dumps(value)}.')
    return value
