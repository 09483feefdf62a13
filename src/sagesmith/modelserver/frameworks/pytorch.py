"""PyTorch's defaults, as Amazon's PyTorch inference toolkit has them: a TorchScript model, tensors in and out.

Source: https://sagemaker.readthedocs.io/en/stable/frameworks/pytorch/using_pytorch.html ("Serve a PyTorch Model") and
github.com/aws/sagemaker-pytorch-inference-toolkit.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sagesmith.modelserver import codecs, handlers
from sagesmith.modelserver.errors import LoadError

if TYPE_CHECKING:
    from types import ModuleType

_DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
_MODEL = "model.pt"
_SUFFIXES = (".pt", ".pth")


def load(module: ModuleType | None, model_dir: Path) -> handlers.Handlers:
    return handlers.load(module, model_dir, handlers.Defaults(_model, _input, _predict, _output))


def _model(model_dir: str) -> Any:
    """`model.pt`, or the only file of its kind there is.

    Raises:
        LoadError: there are none or several, or it is a state dictionary, which no model can be made from alone.
    """
    path = Path(model_dir) / _MODEL
    if not path.exists():
        found = sorted(each for each in Path(model_dir).glob("*") if each.suffix in _SUFFIXES and each.is_file())
        if len(found) != 1:
            names = [each.name for each in found]
            raise LoadError(f"Exactly one .pth or .pt file is required for PyTorch models: {names}")
        path = found[0]
    try:
        model = torch.jit.load(str(path), map_location=_DEVICE)
    except RuntimeError as error:
        raise LoadError(
            f"Failed to load {path}. Please ensure model is saved using torchscript, or write a model_fn that makes "
            f"the model: {error}"
        ) from error
    return model.to(_DEVICE).eval()


def _input(body: str | bytes, content_type: str) -> Any:
    array = codecs.decode(body, content_type)
    return torch.from_numpy(array).to(_DEVICE)


def _predict(data: Any, model: Any) -> Any:
    with torch.no_grad():
        model.to(_DEVICE).eval()
        return model(data.to(_DEVICE))


def _output(prediction: Any, accept: str) -> Any:
    if isinstance(prediction, torch.Tensor):
        prediction = prediction.detach().cpu().numpy()
    return codecs.encode(prediction, accept)
