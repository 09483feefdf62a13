"""Models of Sentence Pair Classification that answer requests."""

from pathlib import Path

from sagesmith.algorithms import serving
from sagesmith.algorithms.encoder import model
from sagesmith.algorithms.errors import BadRequest
from sagesmith.algorithms.text import loads


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    return model.load(model_dir, "sentence_pair_classification", _pair)


def _pair(body: bytes, _kind: str) -> tuple[str, str]:
    try:
        pair = loads(body)
    except ValueError as error:
        raise BadRequest(f"Unable to evaluate payload provided: it is not JSON: {error}") from None
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(each, str) and each.strip() for each in pair):
        raise BadRequest('Unable to evaluate payload provided: a request is a list of two sentences: ["One?", "Two."]')
    return pair[0], pair[1]
