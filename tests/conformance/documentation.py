"""The sentences of botocore's documentation of the API that sound like rules of requests."""

import html
import re
from collections.abc import Collection, Iterator
from typing import Any

from botocore.session import get_session

_RULE = re.compile(
    r"\b(must|can(?:no|')t|cannot|can not exceed|only|(?:is )?required (?:if|when|for|unless)|"
    r"do(?:es)?(?:n't| not) (?:specify|support|use)|at least|not supported|mutually exclusive|either|unique|unless|"
    r"(?:is|are)n't (?:supported|allowed|accepted)|not allowed|no more than|up to|less than|greater than|"
    r"maximum (?:of|length of|value is|number of recursive)|limit of|exactly one)\b",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!:;])\s+(?=\S)")
_TAG = re.compile(r"<[^>]+>")

Sentence = tuple[str, str]
"""Where it stands (`CreateModel.PrimaryContainer.Image`), and the sentence."""


def rule_sentences(operations: Collection[str]) -> list[Sentence]:
    """The sentences of operations, their inputs' members and what these hold, each once."""
    model = get_session().get_component("data_loader").load_service_model("sagemaker", "service-2")
    reader = _Reader(model["shapes"])
    for name in sorted(operations & model["operations"].keys()):
        operation = model["operations"][name]
        reader.read(name, operation.get("documentation", ""))
        if "input" in operation:
            reader.shape(operation["input"]["shape"], name)
    return reader.found


class _Reader:
    def __init__(self, shapes: dict[str, Any]) -> None:
        self._shapes, self._seen = shapes, set[str]()
        self._known = set[str]()
        self.found: list[Sentence] = []

    def shape(self, name: str, path: str) -> None:
        shape = self._shapes[name]
        if name in self._seen:
            return
        self._seen.add(name)
        self.read(path, shape.get("documentation", ""))
        for member, reference in shape.get("members", {}).items():
            self.read(f"{path}.{member}", reference.get("documentation", ""))
            self.shape(reference["shape"], f"{path}.{member}")
        for inner in ("member", "value"):
            if inner in shape:
                self.shape(shape[inner]["shape"], f"{path}[]")

    def read(self, path: str, text: str) -> None:
        for sentence in _sentences(text):
            if _RULE.search(sentence) and sentence not in self._known:
                self._known.add(sentence)
                self.found.append((path, sentence))


def _sentences(text: str) -> Iterator[str]:
    plain = " ".join(html.unescape(_TAG.sub(" ", text)).split())
    yield from (re.sub(r" ([.,;:)])", r"\1", each) for each in _END.split(plain))
