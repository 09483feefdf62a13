"""Answering requests with a built-in algorithm's model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.decode import decode
from sagesmith.algorithms.data.encode import encode
from sagesmith.algorithms.declaration import CSV, Algorithm
from sagesmith.algorithms.errors import UnsupportedAccept, UnsupportedContentType


class Predictor(Protocol):
    """A model that was loaded. `answer` may be called by several threads at once."""

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request, and its content type.

        Args:
            accept: the header; what allows anything gets the algorithm's own choice.

        Raises:
            BadRequest: the body is not what its content type says, or not what the model takes.
            UnsupportedContentType, UnsupportedAccept: the algorithm does not read or write that.
        """
        ...


class Model(Protocol):
    """A model whose requests are rows of numbers.

    Attributes:
        columns: how many numbers a row must have, None for any.
        sparse: it takes sparse rows as they are; else they come as arrays.
    """

    @property
    def columns(self) -> int | None: ...

    @property
    def sparse(self) -> bool: ...

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        """One answer a row: names and numbers, or lists of them, in the order of AWS's page."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Answers requests of rows by a model.

    Args:
        csv: the names, in order, of what a CSV answer has of each row; all if empty.
        name: under which a JSON answer has those of all rows.
        verbose: answers requests that ask for more by `verbose=true` in their Accept header; None: there is no more.
    """

    algorithm: Algorithm
    model: Model
    csv: tuple[str, ...] = ()
    name: str = "predictions"
    verbose: Model | None = None

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        readable(content_type, self.algorithm)
        chosen = writable(accept, self.algorithm)
        batch = decode(body, content_type, self.model.columns, dense=not self.model.sparse)
        model = self.verbose if self.verbose is not None and asks_for_more(accept) else self.model
        predictions = model.predict(batch)
        if chosen == CSV and self.csv:
            predictions = [{name: each[name] for name in self.csv} for each in predictions]
        return encode(predictions, chosen, self.name)


def readable(content_type: str, algorithm: Algorithm) -> str:
    """The media type of a request.

    Raises:
        UnsupportedContentType: the algorithm takes none such.
    """
    kind = media_type(content_type)
    if kind not in algorithm.content_types:
        allowed = ", ".join(algorithm.content_types)
        raise UnsupportedContentType(f"Content-type {content_type} is not supported. Supported types: {allowed}")
    return kind


def writable(accept: str, algorithm: Algorithm) -> str:
    """The media type to answer with: the first of an Accept header that the algorithm writes.

    Raises:
        UnsupportedAccept: there is none.
    """
    kinds = [media_type(each) for each in accept.split(",")]
    for kind in kinds:
        if kind in algorithm.accepts:
            return kind
        if kind in ("", "*/*", "application/*"):
            return algorithm.accepts[0]
    allowed = ", ".join(algorithm.accepts)
    raise UnsupportedAccept(f"Accept type {accept} is not supported. Supported types: {allowed}")


def asks_for_more(accept: str) -> bool:
    """Whether an Accept header has the parameter `verbose=true`, by which AWS's algorithms tell more."""
    return any(each.replace(" ", "").lower() == "verbose=true" for each in accept.split(";")[1:])


def media_type(header: str) -> str:
    """A content type without its parameters, in lower case."""
    return header.partition(";")[0].strip().lower()


def load(name: str, model_dir: Path) -> Predictor:
    """The model of an algorithm's job.

    Raises:
        CustomerError: the directory has no such model.
    """
    algorithm = catalogue.algorithm(name)
    module, _, function = algorithm.load.partition(":")
    predictor: Predictor = getattr(import_module(module), function)(model_dir)
    return predictor
