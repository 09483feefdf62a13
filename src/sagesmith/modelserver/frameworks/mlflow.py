"""Models in MLflow's format, scored as by MLflow's own container: its pyfunc flavour, its scoring server's rules.

What a request may be and what answers look like is MLflow's own code (`mlflow.pyfunc.scoring_server.invocations`):
`dataframe_split`, `dataframe_records`, `instances`, `inputs` and `params` in JSON, CSV with a header, Parquet.

Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/ ("Local Inference Server Specification") and
`mlflow.models.container` of MLflow.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagesmith.modelserver import codecs, handlers, requirements
from sagesmith.modelserver.answers import Answer
from sagesmith.modelserver.errors import LoadError

if TYPE_CHECKING:
    from types import ModuleType

logger = logging.getLogger("sagesmith.modelserver")

DESCRIPTION = "MLmodel"
_OURS = frozenset({"mlflow", "mlflow-skinny"})
_STANDS_FOR = {"xgboost": "xgboost-cpu"}
"""By a library's name, the distribution that has it here: the other one requires NVIDIA's NCCL."""
_KEEP_AS_IT_IS = "MLFLOW_DISABLE_ENV_CREATION"
_OTHER_FILE = re.compile(r"(?P<option>-r|-c|--requirement|--constraint)[ =]*(?P<file>.+)")


def load(module: ModuleType | None, model_dir: Path) -> handlers.Handlers:
    """The model of an artifact whose root, or only folder, has an `MLmodel` file.

    Raises:
        LoadError: there is none, it has no pyfunc flavour, or what it requires cannot be installed.
    """
    folder = folder_of(model_dir)
    _install_what_is_missing(folder)
    os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model
    from mlflow.pyfunc import FLAVOR_NAME, scoring_server

    flavors = Model.load(str(folder)).flavors
    if FLAVOR_NAME not in flavors:
        raise LoadError(
            f"This container only supports models with the PyFunc flavors; this one has {', '.join(flavors) or 'none'}."
        )
    model: Any = scoring_server.load_model_with_mlflow_config(str(folder))
    schema = model.metadata.get_input_schema()

    def transform(model: Any, content: Any, content_type: str, _accept: str, _context: handlers.Context) -> Answer:
        try:
            made = scoring_server.invocations(content, content_type, model, schema)
        except MlflowException as error:
            return Answer(error.get_http_status_code(), codecs.JSON, error.serialize_as_json().encode("utf-8"))
        return Answer(made.status, made.mimetype, made.response.encode("utf-8"))

    return handlers.Handlers(model, model_dir, transform)


def folder_of(model_dir: Path) -> Path:
    """Where an artifact has its model.

    Raises:
        LoadError: nowhere.
    """
    found = [model_dir, *sorted(each for each in model_dir.iterdir() if each.is_dir())]
    for folder in found:
        if (folder / DESCRIPTION).is_file():
            return folder
    raise LoadError(
        f"There is no {DESCRIPTION} in {model_dir}: pack what mlflow.<flavor>.save_model wrote, or mlflow artifacts "
        f"download brought, into the model.tar.gz, with {DESCRIPTION} at its root."
    )


def wanting(folder: Path) -> list[str]:
    """What the model requires in other versions than the environment has, but for MLflow, which scores it."""
    file = folder / "requirements.txt"
    if not file.is_file() or os.environ.get(_KEEP_AS_IT_IS, "").lower() in ("1", "true"):
        return []
    found = [_with_whole_path(line, folder) for line in unsatisfied(file.read_text(encoding="utf-8").splitlines())]
    # MLflow writes the constraints that a model was saved under: by themselves they want nothing.
    return [] if all(line.startswith(("-c", "--constraint")) for line in found) else found


def _with_whole_path(line: str, folder: Path) -> str:
    """A line that names another file, which is relative to the one that the line was in."""
    named = _OTHER_FILE.fullmatch(line)
    if named is None or "://" in named["file"]:
        return line
    return f"{named['option']} {shlex.quote(str(folder / named['file']))}"


def _install_what_is_missing(folder: Path) -> None:
    """Install what is wanting.

    Raises:
        LoadError: pip failed, its output is in the log; or other models are served by this process as well.
    """
    missing = wanting(folder)
    if not missing:
        return
    if os.environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true":
        raise LoadError(
            f"The model requires {', '.join(missing)}, which a server of many models does not install for one of them. "
            f"Give it an endpoint of its own, or set {_KEEP_AS_IT_IS}=true in the container's Environment."
        )
    logger.info("The model requires what the image has not: %s", ", ".join(missing))
    with tempfile.TemporaryDirectory() as work:
        wanted = Path(work) / "requirements.txt"
        wanted.write_text("\n".join(missing) + "\n", encoding="utf-8")
        code = subprocess.run(requirements.command(wanted), cwd=str(folder), check=False).returncode
    if code:
        raise LoadError(
            f"What the model requires could not be installed: pip ended with exit code {code}; its output is above. "
            f"Set {_KEEP_AS_IT_IS}=true in the model's Environment to serve it with what the image has."
        )


def unsatisfied(lines: list[str]) -> list[str]:
    """The requirements that this environment does not meet; what is no plain requirement is left to pip."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found = []
    for line in (each.partition(" #")[0].strip() for each in lines):
        if not line or line.startswith("#"):
            continue
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            found.append(line)
            continue
        name = canonicalize_name(requirement.name)
        if name in _OURS or (requirement.marker and not requirement.marker.evaluate()):
            continue
        try:
            version = metadata.version(_STANDS_FOR.get(name, name))
        except metadata.PackageNotFoundError:
            found.append(line)
            continue
        if requirement.url or not requirement.specifier.contains(version, prereleases=True):
            found.append(line)
    return found
