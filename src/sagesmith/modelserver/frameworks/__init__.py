"""What each framework's container does where the user's script does not say: one module a framework.

The image says which one by `SAGESMITH_HANDLERS`; without it, scikit-learn's defaults hold.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sagesmith.modelserver.errors import LoadError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from sagesmith.modelserver.handlers import Handlers

_MODULES = ("algorithm", "huggingface", "mlflow", "pytorch", "scikit_learn", "tensorflow", "triton", "xgboost")


def mlflow_needs_more(model_dir: Path) -> bool:
    """Whether a model in MLflow's format has something installed when it is loaded; where there is none, it has not."""
    from sagesmith.modelserver.frameworks import mlflow

    try:
        return bool(mlflow.wanting(mlflow.folder_of(model_dir)))
    except LoadError:
        return False


def load(framework: str | None, module: ModuleType | None, model_dir: Path) -> Handlers:
    """Load the model as a framework's container does; each of its modules has a `load` of this meaning.

    Raises:
        LoadError: the user's functions do not go together, or there is no such framework.
        NotImplementedError: there is no `model_fn`, and the framework has no default one.
    """
    framework = framework or "scikit_learn"
    if framework not in _MODULES:
        raise LoadError(f"SAGESMITH_HANDLERS={framework}: there are {', '.join(_MODULES)}")
    chosen: Any = importlib.import_module(f"{__name__}.{framework}")
    loaded: Handlers = chosen.load(module, model_dir)
    return loaded
