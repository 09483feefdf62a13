"""Model artifacts that the SageMaker SDK's ModelBuilder packed: their inference script imports the SDK itself.

Such an artifact has `code/inference.py`, the SDK's own, and beside it `serve.pkl`: the user's InferenceSpec or model,
and the schema builder, whose classes are the SDK's. AWS's inference containers have the SDK; here it is an environment
below the image's (`sagesmith.images.sdk`).

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/how-it-works-modelbuilder-creation.html and
`sagemaker.serve.model_server` of the SDK, v2 and v3.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.runtime import with_sdk
from sagesmith.agent.task import Task
from sagesmith.images.base import BuiltEnvironment, ImageNotRunnable, Runtime

SHARED_LIBRARIES = "shared_libs"
_HIDDEN = ".shared_libs"
_PLACES = (("code/inference.py", "code/serve.pkl"), ("model/1/model.py", "model/serve.pkl"))
"""Of the model servers that take a script, and of Triton's model repository."""
_NAMES_THE_SDK = re.compile(r"\s*sagemaker\s*($|[\[<>=!~;@#,])", re.IGNORECASE)
_BLOCK_BYTES = 1 << 20
_MODEL = "/opt/ml/model"


def packed_by(model: Path) -> str | None:
    """The major version of the SDK whose ModelBuilder packed an artifact, None if none did.

    Args:
        model: the unpacked artifact.
    """
    for script, pickled in _PLACES:
        if (model / pickled).is_file() and (model / script).is_file() and _holds(model / script, b"sagemaker.serve"):
            # The pickle names the modules of its classes; v3's are in packages that v2 has not, or by v3's rules.
            return "3" if _holds(model / pickled, b"sagemaker.core") else "2"
    return None


def with_its_sdk(
    task: Task, runtime: Runtime, environment: BuiltEnvironment, model: Path
) -> tuple[BuiltEnvironment, list[str], dict[str, str]]:
    """An image's environment with the SDK beside, if the artifact needs it, where it is imported from, and variables.

    Raises:
        TaskFailed: the SDK is not there for the image's Python, or could not be built.
    """
    major = packed_by(model)
    if major is None:
        return environment, [], {}
    from sagesmith.images import sdk

    try:
        kit = sdk.for_model(major, runtime)
    except ImageNotRunnable as error:
        raise TaskFailed(f"ClientError: {error}") from error
    without_the_sdk(model / "code" / "requirements.txt")
    together, packages = with_sdk(environment, task.ensure(kit))
    return together, packages, _shared_libraries(model)


def without_the_sdk(requirements: Path) -> None:
    """Take the SDK off what is to be installed, for it is there already: v2 asks for itself with the extras that it has
    for Hugging Face's containers, which are PyTorch for CUDA, gigabytes that no other model needs."""
    with suppress(FileNotFoundError):
        lines = requirements.read_text("utf-8").splitlines()
        kept = [line for line in lines if not _NAMES_THE_SDK.match(line)]
        if kept != lines:
            requirements.write_text("".join(f"{line}\n" for line in kept), "utf-8")


def _shared_libraries(model: Path) -> dict[str, str]:
    """Let the loader find what the script would copy to /lib, which is the machine's here: it copies what it finds by
    the name that the folder has no longer."""
    with suppress(FileNotFoundError):
        (model / SHARED_LIBRARIES).rename(model / _HIDDEN)
    return {"LD_LIBRARY_PATH": f"{_MODEL}/{_HIDDEN}"} if (model / _HIDDEN).is_dir() else {}


def _holds(path: Path, words: bytes) -> bool:
    """Whether a file, which may be large, has these words."""
    return any(words in window for window in _windows(path, len(words)))


def _windows(path: Path, overlap: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        kept = b""
        while block := file.read(_BLOCK_BYTES):
            yield kept + block
            kept = block[-overlap:]
