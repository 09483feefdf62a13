"""The built-in algorithms' pages: which there are, and what holds of all that `programs/pages.py` saw of one."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.integration.conftest import ROOT, Running, environment_python
from tests.integration.programs import Seen, run_with


def run(platform: Running, names: Iterable[str], folder: Path) -> Seen:
    """Run the pages' programs with the SDK v2, and the tuning jobs and transform jobs that follow them."""
    docs = str(ROOT / "docs" / "algorithms")
    return run_with(platform, environment_python("sdk-v2"), "pages.py", folder, {}, docs, *names)


def run_alone(platform: Running, names: Iterable[str], folder: Path) -> Seen:
    """Run the pages' programs alone: what each prints."""
    docs = str(ROOT / "docs" / "algorithms")
    return run_with(platform, environment_python("sdk-v2"), "pages_alone.py", folder, {}, docs, *names)


def check_transform(seen: Any) -> None:
    """A transform job gives the answer of the endpoint."""
    assert seen["answer"]
    # In a transform job the predictions of XGBoost are lines, as AWS's.
    assert seen["transformed"].replace("\n", ",").strip(",") == seen["answer"].replace("\n", ",").strip(",")


def check_tuning(seen: Any) -> None:
    """The best training job has the objective, with the value that its log ends with."""
    tuned = seen["tuned"]
    assert tuned["completed"] == tuned["asked"]
    assert tuned["hyperparameters"]
    assert math.isclose(tuned["objective"]["Value"], tuned["logged"][-1], rel_tol=1e-6)


def check_refusals(seen: Any) -> None:
    """A metric and a hyperparameter that the algorithm has not are refused in AWS's words."""
    metric, hyperparameter = seen["refused"]
    assert "The objective metric for the hyperparameter tuning job, [validation:nothing], isn't valid for the" in metric
    assert "The hyperparameters [nothing] aren't tunable for the" in hyperparameter
