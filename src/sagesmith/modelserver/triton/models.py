"""The models of a repository: `<name>/config.pbtxt` and `<name>/<version>/model.onnx`, or `model.py`.

Source: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_repository.html
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict  # noqa: UP035

import numpy as np

from sagesmith.modelserver.errors import BadInput, HandlerFailed, LoadError
from sagesmith.modelserver.triton import backend, config
from sagesmith.modelserver.triton.tensors import Request

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[[Request], Dict[str, Any]]  # noqa: UP006
CONFIGURATION = "config.pbtxt"
_FILES = {"onnxruntime": "model.onnx", "python": "model.py"}
_PLATFORMS = {"onnxruntime_onnx": "onnxruntime"}


@dataclass(frozen=True)
class Model:
    """A model of a repository, loaded.

    Attributes:
        version: the folder's number; the highest, as Triton chooses where nothing else is said.
        run: from a request to the outputs by their names. Raises BadInput and HandlerFailed.
    """

    name: str
    version: str
    run: Run


def find(root: Path) -> dict[str, Path]:
    """The folders of a repository's models."""
    return {
        each.name: each
        for each in sorted(root.iterdir())
        if each.is_dir() and ((each / CONFIGURATION).is_file() or _version(each) is not None)
    }


def load(folder: Path) -> Model:
    """Load the highest version of a model.

    Raises:
        LoadError: it has none, or is of a backend that is not here.
    """
    settings = _settings(folder)
    version = _version(folder)
    if version is None:
        raise LoadError(f"The model {folder.name} has no version: put its files into {folder.name}/1.")
    kind = _backend(folder.name, settings, version)
    file = version / (settings.get("default_model_filename") or _FILES[kind])
    if not file.is_file():
        raise LoadError(f"The model {folder.name} has no {version.name}/{file.name}.")
    start = _onnx if kind == "onnxruntime" else _python
    return Model(folder.name, version.name, start(folder, file, settings))


def _settings(folder: Path) -> dict[str, Any]:
    file = folder / CONFIGURATION
    if not file.is_file():
        return {}
    try:
        return config.parse(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LoadError(f"{folder.name}/{CONFIGURATION} is not valid: {error}") from error


def _version(folder: Path) -> Path | None:
    versions = [each for each in folder.iterdir() if each.is_dir() and each.name.isdigit()]
    return max(versions, key=lambda each: int(each.name), default=None)


def _backend(name: str, settings: dict[str, Any], version: Path) -> str:
    said = settings.get("backend") or _PLATFORMS.get(settings.get("platform", ""), settings.get("platform"))
    found = said or next((kind for kind, file in _FILES.items() if (version / file).is_file()), None)
    if found in _FILES:
        return found
    raise LoadError(
        f"The model {name} is of the backend or platform {found or 'that its files do not tell'}: there are "
        f"{' and '.join(_FILES)}. Export it to ONNX, or run NVIDIA's own image by a container engine, under another "
        f"repository's name."
    )


def _onnx(folder: Path, file: Path, _settings: dict[str, Any]) -> Run:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common class of their own
        raise LoadError(f"ONNX Runtime cannot load {folder.name}/{file.parent.name}/{file.name}: {error}") from error
    wanted = [each.name for each in session.get_inputs()]
    made = [each.name for each in session.get_outputs()]

    def run(request: Request) -> dict[str, Any]:
        _check_names(folder.name, request, wanted)
        names = [name for name in request.outputs if name in made] or made
        inputs = {name: _words(array) for name, array in request.inputs.items()}
        try:
            outputs = dict(zip(names, session.run(names, inputs)))  # noqa: B905 (Python 3.8 knows no strict)
        except (InvalidArgument, ValueError) as error:
            raise BadInput(str(error)) from error
        for name, value in outputs.items():
            if not isinstance(value, np.ndarray):
                raise HandlerFailed(
                    f"The output '{name}' is no tensor: export the model so that it is (of scikit-learn, "
                    f"options={{'zipmap': False}}), or do not ask for it."
                )
        return outputs

    return run


def _python(folder: Path, file: Path, settings: dict[str, Any]) -> Run:
    backend.install()
    environment = settings.get("parameters", {}).get("EXECUTION_ENV_PATH")
    if environment is not None:
        raise LoadError(
            f"The model {folder.name} asks for a conda environment (EXECUTION_ENV_PATH), which is not built: its "
            f"model.py runs in the image's own Python."
        )
    spec = importlib.util.spec_from_file_location(f"triton_model_{folder.name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look their module up by its name.
    sys.modules[spec.name] = module
    if os.environ.get("SAGEMAKER_MULTI_MODEL", "").lower() != "true":
        # As the Python backend's stub has it, for what lies beside model.py; a path that many models share would lead
        # each to the others'.
        sys.path += [str(file.parent), str(folder)]
    spec.loader.exec_module(module)
    model = module.TritonPythonModel()
    described = {"name": folder.name, "backend": "python", "max_batch_size": 0, **settings}
    if hasattr(model, "initialize"):
        model.initialize(
            {
                "model_config": json.dumps(described),
                "model_instance_kind": "CPU",
                "model_instance_name": f"{folder.name}_0_0",
                "model_instance_device_id": "0",
                "model_repository": str(folder),
                "model_version": file.parent.name,
                "model_name": folder.name,
            }
        )
    wanted = [each["name"] for each in settings.get("input", []) if not each.get("optional")]
    optional = [each["name"] for each in settings.get("input", []) if each.get("optional")]

    def run(request: Request) -> dict[str, Any]:
        if wanted or optional:
            _check_names(folder.name, request, wanted, optional)
        given = [backend.Tensor(name, array) for name, array in request.inputs.items()]
        asked = backend.InferenceRequest(given, request.id or "", request.outputs, request.parameters)
        (response,) = model.execute([asked])
        if response.has_error():
            raise HandlerFailed(response.error().message(), kind="TritonError")
        return {each.name(): each.as_numpy() for each in response.output_tensors()}

    return run


def _check_names(name: str, request: Request, wanted: list[str], optional: list[str] | None = None) -> None:
    for given in request.inputs:
        if given not in wanted and given not in (optional or ()):
            raise BadInput(f"unexpected inference input '{given}' for model '{name}'")
    missing = [each for each in wanted if each not in request.inputs]
    if missing:
        raise BadInput(
            f"expected {len(wanted)} inputs but got {len(request.inputs)} inputs for model '{name}'. Got input(s) "
            f"{sorted(request.inputs)}, but missing required input(s) {missing}. Please provide all required input(s)."
        )


def _words(array: Any) -> Any:
    """ONNX Runtime takes text as `str`."""
    if array.dtype.kind != "O":
        return array
    flat = [each.decode("utf-8") if isinstance(each, bytes) else each for each in array.ravel().tolist()]
    return np.array(flat, object).reshape(array.shape)
