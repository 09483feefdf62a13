"""A model server that imports its libraries before its files are there, perhaps before it is known what it will serve.

It runs nobody's code until its agent tells it whose it is: with the variables, and where its output goes. Where what it
has imported could make a difference to what is then to run, it starts anew instead.
"""

from __future__ import annotations

import array
import importlib
import json
import os
import select
import socket
import sys
from typing import TYPE_CHECKING

from sagesmith.modelserver import frameworks

if TYPE_CHECKING:
    from sagesmith.modelserver.settings import Settings

_RECEIVED_BYTES = 1 << 16
_ALWAYS = ("asyncio", "numpy", "uvloop")
_SCIKIT_LEARN = (
    *("scipy.sparse", "scipy.special", "joblib", "pandas", "sklearn", "sklearn.ensemble", "sklearn.linear_model"),
    *("sklearn.tree", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.impute", "sklearn.compose", "sklearn.svm"),
    *("sklearn.neighbors", "sklearn.cluster", "sklearn.naive_bayes", "sklearn.decomposition"),
    *("sklearn.model_selection", "sklearn.feature_extraction.text", "sklearn.neural_network"),
)
_IN_ADVANCE = {
    "scikit_learn": _SCIKIT_LEARN,
    "xgboost": ("scipy.sparse", "joblib", "pandas", "sklearn", "xgboost"),
    "pytorch": ("torch",),
    "tensorflow": ("tensorflow",),
    "huggingface": ("torch", "transformers"),
    "mlflow": ("pandas", "sklearn", "mlflow.pyfunc", "mlflow.pyfunc.scoring_server"),
    "triton": ("onnxruntime",),
}
"""What models of a framework mostly need. A module that an environment has not is left out."""


def wait(path: str) -> None:
    """Import what there is to import until told what to serve, and wait for that; the variables are those then.

    Args:
        path: the unix socket at which the agent waits.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        if _import(os.environ.get("SAGESMITH_HANDLERS") or "scikit_learn", connection):
            connection.send(b"r")
        variables, output = _received(connection)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.environ.clear()
    os.environ.update(variables)


def _import(framework: str, connection: socket.socket) -> bool:
    """Import what models of a framework mostly need; False if the agent was ready before that."""
    for name in (f"sagesmith.modelserver.frameworks.{framework}", *_ALWAYS, *_in_advance(framework)):
        if select.select([connection], [], [], 0)[0]:
            return False
        try:
            importlib.import_module(name)
        except Exception as error:  # Whoever needs it sees the error then, and whose it is.
            sys.stderr.write(f"{name} is not imported in advance: {error}\n")
    return True


def _in_advance(framework: str) -> tuple[str, ...]:
    if framework != "algorithm":
        return _IN_ADVANCE.get(framework, ())
    from sagesmith.algorithms import catalogue

    return (catalogue.algorithm(os.environ["SAGESMITH_ALGORITHM"]).load.partition(":")[0],)


def must_start_anew(settings: Settings) -> bool:
    """Whether what is imported already could be something else for the user's code: it installs packages, or has a
    module of a name that is taken."""
    if (settings.code_dir / "requirements.txt").is_file():
        return True
    if settings.framework == "mlflow" and frameworks.mlflow_needs_more(settings.model_dir):
        return True
    folders = [settings.code_dir]
    if settings.program is not None:
        folders.append((settings.code_dir / settings.program).parent)
    names = {path.name.partition(".")[0] for folder in folders if folder.is_dir() for path in folder.iterdir()}
    return not names.isdisjoint(sys.modules)


def _received(connection: socket.socket) -> tuple[dict[str, str], int]:
    """What the agent sends: the variables, and a descriptor for the output. Ends the process if it sends nothing."""
    descriptors = array.array("i")
    content, ancillary, _, _ = connection.recvmsg(_RECEIVED_BYTES, socket.CMSG_SPACE(descriptors.itemsize))
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: descriptors.itemsize])
    if not descriptors:
        sys.exit(0)
    while True:
        piece = connection.recv(_RECEIVED_BYTES)
        if not piece:
            break
        content += piece
    variables: dict[str, str] = json.loads(content.decode("utf-8", "surrogateescape"))
    return variables, descriptors[0]
