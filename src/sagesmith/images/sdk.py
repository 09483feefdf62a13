"""The SageMaker Python SDK beside an image's own packages, for a `@remote` function and for what ModelBuilder packs.

The SDK's own entry point and inference script import it inside the container. AWS's images have it, in one version;
here it is an environment of its own below the image's, in the major version of the client that sent the function or
packed the model, so that every image of ours can run one and none pays for it otherwise.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/train-remote-decorator.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/how-it-works-modelbuilder-creation.html, `sagemaker.remote_function.job`
and `sagemaker.serve.model_server` of the SDK.
"""

from collections.abc import Sequence
from dataclasses import replace

from sagesmith.images.base import ImageNotRunnable, Runtime

PYTHONS = {
    "2": ("3.9", "3.10", "3.11", "3.12"),
    "3": ("3.10", "3.11", "3.12", "3.13"),
    "serve-3": ("3.10", "3.11", "3.12", "3.13"),
}
"""By the kit, the Pythons that a lock file is shipped for: an SDK's major version; `serve-3` is what SDK v3 has for
models, which its `3` has not."""
_SERVING = {"2": "2", "3": "serve-3"}
"""The kit of a major version's models."""
_ENTRY_POINT = "/opt/ml/input/data/sagemaker_remote_function_bootstrap/job_driver.sh"
_VERSION_ARGUMENT = "--client_sagemaker_pysdk_version"


def lock(kit: str) -> str:
    """The name of its lock files, without `-py<python>.txt`."""
    return f"sagemaker-sdk-{kit}"


def for_python(kit: str, runtime: Runtime) -> Runtime | None:
    """The runtime of a kit beside an image's, None if there is none for the image's Python."""
    if runtime.python not in PYTHONS.get(kit, ()):
        return None
    return replace(runtime, lock=f"{lock(kit)}-py{runtime.python}", notice=None)


def for_model(major: str, runtime: Runtime) -> Runtime:
    """The runtime of the SDK that a model of ModelBuilder needs beside its image's.

    Raises:
        ImageNotRunnable: there is none for the image's Python.
    """
    found = for_python(_SERVING[major], runtime)
    if found is None:
        raise ImageNotRunnable(
            f"The model was packed by ModelBuilder of the SageMaker Python SDK v{major}, whose inference script needs "
            f"the SDK: it is here for Python {', '.join(PYTHONS[_SERVING[major]])}, and the image {runtime.uri} has "
            f"Python {runtime.python}. Name an image of one of these Pythons as image_uri."
        )
    return found


def for_command(runtime: Runtime, command: Sequence[str]) -> Runtime | None:
    """The runtime of the SDK that a command needs beside the image's, None for all but a `@remote` function's.

    Raises:
        ImageNotRunnable: there is none for the image's Python.
    """
    if _ENTRY_POINT not in command:
        return None
    words = list(command)
    version = words[words.index(_VERSION_ARGUMENT) + 1] if _VERSION_ARGUMENT in words[:-1] else ""
    major = version.partition(".")[0] or "2"
    found = for_python(major, runtime)
    if found is None:
        pythons = ", ".join(f"SDK {each} on Python {', '.join(PYTHONS[each])}" for each in PYTHONS if each.isdigit())
        raise ImageNotRunnable(
            f"The image {runtime.uri} cannot run a function of the SageMaker Python SDK {version} on Python "
            f"{runtime.python}; there are {pythons}. Name an image of one of these Pythons, such as "
            f"sagemaker-base-python-311:1.0, and call it from the same Python."
        )
    return found
