"""Models of Text Classification that answer requests."""

from pathlib import Path

from sagesmith.algorithms import serving
from sagesmith.algorithms.encoder import model
from sagesmith.algorithms.errors import BadRequest


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    return model.load(model_dir, "text_classification", _text)


def _text(body: bytes, _kind: str) -> str:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"Unable to evaluate payload provided: it is not UTF-8 text: {error}") from None
    if not text.strip():
        raise BadRequest("Unable to evaluate payload provided: the text is empty")
    return text
