"""An Object2Vec model: scores of pairs, vectors of objects."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sagesmith.algorithms import catalogue, networks, serving
from sagesmith.algorithms.data.read import parameters
from sagesmith.algorithms.declaration import JSON_LINES
from sagesmith.algorithms.errors import BadRequest, CustomerError
from sagesmith.algorithms.object2vec.network import Network
from sagesmith.algorithms.object2vec.pairs import INPUTS, checked
from sagesmith.algorithms.sequences import Sequences, together
from sagesmith.algorithms.text import entries, instances, loads

FILE = "object2vec.json"
WEIGHTS = "weights.npz"
_ROWS = 256
_TOKENS = 1 << 13
_LONGEST = 5000


@dataclass(frozen=True, slots=True)
class Vectors:
    """Answers requests by a network.

    Attributes:
        values: the hyperparameters, complete.
    """

    network: Network
    values: dict[str, Any]

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm("object2vec")
        kind = serving.readable(content_type, algorithm)
        chosen = kind if accept.strip() in ("", "*/*") else serving.writable(accept, algorithm)
        instances, places = _instances(body, kind)
        limits = self._limits(content_type)
        answers: list[dict[str, list[float]]] = [{}] * len(instances)
        # Each kind of question at once, and its answers where they belong.
        for asked, find in self._kinds(limits).items():
            rows = [row for row, instance in enumerate(instances) if _asked(instance, places[row]) == asked]
            lengths = [_length(instances[row], asked, limits) for row in rows]
            for group in together(lengths, _ROWS, _TOKENS):
                some = [rows[place] for place in group]
                found = find([instances[row] for row in some], [places[row] for row in some])
                for row, each in zip(some, found, strict=True):
                    answers[row] = each
        if chosen == JSON_LINES:
            return "".join(json.dumps(each) + "\n" for each in answers).encode(), chosen
        return json.dumps({"predictions": answers}).encode(), chosen

    def _kinds(self, limits: tuple[int, int]) -> dict[tuple[str, ...], Callable[..., list[dict[str, list[float]]]]]:
        def embeddings(number: int) -> Callable[..., list[dict[str, list[float]]]]:
            def find(instances: Sequence[Any], places: Sequence[str]) -> list[dict[str, list[float]]]:
                with torch.inference_mode():
                    found = self.network.encoders[number](*self._tensors(instances, places, number, limits))
                return [{"embeddings": each} for each in found.tolist()]

            return find

        def scores(instances: Sequence[Any], places: Sequence[str]) -> list[dict[str, list[float]]]:
            with torch.inference_mode():
                inputs = [self._tensors(instances, places, number, limits) for number in (0, 1)]
                found = self.network(*inputs)
                found = found.softmax(1) if self.values["output_layer"] == "softmax" else found
            return [{"scores": each} for each in found.tolist()]

        return {INPUTS: scores, INPUTS[:1]: embeddings(0), INPUTS[1:]: embeddings(1)}

    def _tensors(self, instances: Sequence[Any], places: Sequence[str], number: int, limits: tuple[int, int]) -> Any:
        name, size = INPUTS[number], self.values[f"enc{number}_vocab_size"]
        try:
            found = [
                checked(instance[name], name, size, place) for instance, place in zip(instances, places, strict=True)
            ]
        except CustomerError as error:
            raise BadRequest(str(error)) from None
        sequences = Sequences.listed(found, limits[number])
        return tuple(map(torch.from_numpy, sequences.padded(slice(None))))

    def _limits(self, content_type: str) -> tuple[int, int]:
        """Where sequences are cut off: `infer_max_seqlens=<in0>,<in1>` of the content type, or as in training."""
        given = parameters(content_type)[1].get("infer_max_seqlens")
        if given is None:
            return self.values["enc0_max_seq_len"], self.values["enc1_max_seq_len"]
        numbers = [int(each) if each.strip().isdecimal() else 0 for each in given.split(",")]
        if len(numbers) != 2 or not all(1 <= number <= _LONGEST for number in numbers):
            raise BadRequest(f"infer_max_seqlens must be two integers from 1 to {_LONGEST}, not {given}.")
        return numbers[0], numbers[1]


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    try:
        values = loads((model_dir / FILE).read_text(encoding="utf-8"))
        network = Network(values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of Object2Vec: {FILE}: {error}") from error
    networks.load_weights(network, model_dir / WEIGHTS, "Object2Vec")
    return Vectors(network, values)


def _asked(instance: Any, place: str) -> tuple[str, ...]:
    asked = tuple(name for name in INPUTS if name in instance) if isinstance(instance, dict) else ()
    if not asked:
        raise BadRequest(f"An instance must be an object with in0 or in1, or both ({place}).")
    return asked


def _length(instance: dict[str, Any], asked: tuple[str, ...], limits: tuple[int, int]) -> int:
    """Of the longest sequence of an instance, as the network gets it."""
    found = [(instance[name], limits[INPUTS.index(name)]) for name in asked]
    return max(min(len(sequence), limit) if isinstance(sequence, list) else 0 for sequence, limit in found)


def _instances(body: bytes, kind: str) -> tuple[list[Any], list[str]]:
    if kind == JSON_LINES:
        found = entries(body)
        return [entry for entry, _ in found], [place for _, place in found]
    asked, _ = instances(body, '{"instances": [{"in0": [1], "in1": [2]}]}')
    return asked, [f"instance {number}" for number in range(len(asked))]
