"""Hugging Face's defaults: a pipeline for `HF_TASK` over the model artifact, `{"inputs": …}` in.

Source: https://huggingface.co/docs/sagemaker/inference and github.com/aws/sagemaker-huggingface-inference-toolkit.
"""

from __future__ import annotations

import csv
import io
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagesmith.modelserver import codecs, handlers
from sagesmith.modelserver.errors import BadInput, LoadError, NotAcceptable, UnsupportedInput

if TYPE_CHECKING:
    from types import ModuleType

# The task that an architecture's name ends with; the longest ending counts.
_TASKS = {
    "TapasForQuestionAnswering": "table-question-answering",
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMultipleChoice": "multiple-choice",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "EncoderDecoderModel": "text2text-generation",
    "GPT2LMHeadModel": "text-generation",
    "T5WithLMHeadModel": "text2text-generation",
}
_HUB = "https://huggingface.co"
_HUB_SECONDS = 10.0
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
_IMAGE_AND_AUDIO_TASKS = frozenset(
    {
        "audio-classification",
        "automatic-speech-recognition",
        "image-classification",
        "image-segmentation",
        "object-detection",
        "zero-shot-image-classification",
    }
)


def load(module: ModuleType | None, model_dir: Path) -> handlers.Handlers:
    return handlers.load(module, model_dir, handlers.Defaults(_model, _input, _predict, _output))


def _model(model_dir: str) -> Any:
    config = Path(model_dir) / "config.json"
    source = model_dir if config.is_file() else os.environ.get("HF_MODEL_ID", model_dir)
    task = os.environ.get("HF_TASK") or _task(config)
    if source != model_dir:
        _ask_for(source)
    from transformers import pipeline

    # One that was made for a processor says so itself; the others have a tokenizer beside them.
    part = "feature_extractor" if task in _IMAGE_AND_AUDIO_TASKS else "tokenizer"
    trusted = os.environ.get("HF_TRUST_REMOTE_CODE", "").lower() in _TRUE
    return pipeline(task, model=source, trust_remote_code=trusted, device=_device(), **{part: source})


def _ask_for(model: str) -> None:
    """Ask the hub once, since its own client tries for more than a minute before it says that nobody is there.

    Raises:
        LoadError: it cannot be reached.
    """
    hub = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    if Path(model).exists() or os.environ.get("HF_HUB_OFFLINE", "").lower() in _TRUE:
        return
    request = urllib.request.Request(f"{hub}/api/models/{model}", method="HEAD")  # noqa: S310 - the owner's own choice
    try:
        urllib.request.urlopen(request, timeout=_HUB_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return  # It is there; whether the model is, and for whom, its client says better.
    except OSError as error:
        raise LoadError(
            f"HF_MODEL_ID={model}: the hub {hub} cannot be reached from here ({error}). Load the model where it "
            f"can be, save it and its tokenizer with save_pretrained, and give the model a ModelDataUrl: a "
            f"model.tar.gz with config.json at its root."
        ) from error


def _device() -> int:
    import torch

    return 0 if torch.cuda.is_available() else -1


def _task(config: Path) -> str:
    """The task of a model, by its architecture.

    Raises:
        LoadError: it cannot be told.
    """
    if not config.is_file():
        raise LoadError(
            "The model artifact has no config.json: save the model with save_pretrained, or name one of the hub by "
            "HF_MODEL_ID and its task by HF_TASK."
        )
    architecture = (json.loads(config.read_text(encoding="utf-8")).get("architectures") or [""])[0]
    for ending in sorted(_TASKS, key=len, reverse=True):
        if architecture.endswith(ending):
            return _TASKS[ending]
    raise LoadError(
        f"Task couldn't be inferenced from {architecture or 'a config.json without architectures'}. Inference Toolkit "
        f"can only inference tasks from architectures ending with {list(_TASKS)}. Use env "
        f"`HF_TASK` to define your task."
    )


def _input(body: str | bytes, content_type: str) -> Any:
    """What the pipeline takes, as `{"inputs": …}`.

    Raises:
        UnsupportedInput, BadInput: the body is of another type, or not what it says.
    """
    kind = codecs.media_type(content_type)
    try:
        if kind == codecs.JSON:
            return json.loads(body)
        if kind == codecs.CSV:
            return _from_csv(body if isinstance(body, str) else body.decode("utf-8"))
        if kind == codecs.NPY:
            return {"inputs": codecs.to_array(body, codecs.NPY)}
        if kind.startswith("image/"):
            return {"inputs": _image(body)}
    except (ValueError, TypeError, OSError) as error:
        raise BadInput(f"The body is not valid {kind}: {error}") from error
    if kind.startswith("audio/"):
        return {"inputs": body}
    raise UnsupportedInput(content_type)


def _from_csv(text: str) -> dict[str, Any]:
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or not {"question", "context", "inputs"} & {str(name).lower() for name in rows[0]}:
        raise ValueError(
            "You need to provide the correct CSV with Header columns to use it with the inference toolkit default "
            "handler."
        )
    return {"inputs": [row["inputs"] for row in rows] if "inputs" in rows[0] else rows}


def _image(body: str | bytes) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(body if isinstance(body, bytes) else body.encode())).convert("RGB")


def _predict(data: Any, model: Any) -> Any:
    parameters: dict[str, Any] = {}
    if isinstance(data, dict):
        parameters = data.pop("parameters", None) or {}
        data = data.pop("inputs", data)
    return model(data, **parameters)


def _output(prediction: Any, accept: str) -> Any:
    for kind in codecs.acceptable(accept):
        if kind == codecs.JSON:
            text = json.dumps(prediction, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
            return text.encode("utf-8"), kind
        if kind == codecs.CSV and isinstance(prediction, list) and prediction and isinstance(prediction[0], dict):
            out = io.StringIO()
            writer = csv.DictWriter(out, list(prediction[0]))
            writer.writeheader()
            writer.writerows(prediction)
            return out.getvalue().encode("utf-8"), kind
        if kind == codecs.NPY:
            return codecs.encode(prediction, kind)
    raise NotAcceptable(accept)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
