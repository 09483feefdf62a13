"""DeepAR against statsforecast's exponential smoothing and Theta, which are fitted to each series by itself."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.algorithms import Row
from benchmarks.peers.running import ENVIRONMENTS
from tests.algorithms import harness

_PROGRAM = Path(__file__).parents[1] / "peers" / "forecasting.py"
_MODELS = ("AutoETS", "AutoTheta")


@dataclass(frozen=True, slots=True)
class _Task:
    """Series, and what is forecast of them: their last steps, and perhaps those before them too."""

    name: str
    title: str
    frequency: str
    season: int
    steps: int
    origins: int
    hyperparameters: dict[str, object]


_TASKS = (
    _Task("employment", "148 series of employees, monthly", "M", 12, 12, 1, {"context_length": 24, "epochs": 10}),
    _Task("nights", "20 series of nights, quarterly, 4 origins", "3M", 4, 8, 4, {"context_length": 8, "epochs": 5}),
)


def quality() -> Iterator[Row]:
    """The mean weighted quantile loss of the quantiles from 0.1 to 0.9, of which less is better."""
    for task in _TASKS:
        lines = _run("series", task.name)
        ours = _ours(task, [json.loads(line) for line in lines.splitlines()])
        for model in _MODELS:
            theirs = float(_run("score", model, *map(str, (task.season, task.steps, task.origins)), given=lines))
            yield Row("deepar", task.title, "mean_wQuantileLoss", ours, theirs, f"statsforecast {model}")


def _ours(task: _Task, series: list[dict[str, Any]]) -> float:
    ahead = task.steps * task.origins
    train = [each | {"target": each["target"][:-ahead]} for each in series]
    test = [
        each | {"target": each["target"][: len(each["target"]) - task.steps * origin]}
        for each in series
        for origin in range(task.origins)
    ]
    given = task.hyperparameters | {"time_freq": task.frequency, "prediction_length": task.steps}
    with tempfile.TemporaryDirectory() as folder:
        channels = {
            name: harness.Channel({"series.json": "\n".join(map(json.dumps, some))})
            for name, some in (("train", train), ("test", test))
        }
        trained = harness.train("deepar", Path(folder), given | {"num_eval_samples": 200}, channels, anew=True)
    return trained.metrics["test:mean_wQuantileLoss"][0]


def _run(*arguments: str, given: str | None = None) -> str:
    command = [str(ENVIRONMENTS / "forecasting" / "bin" / "python"), str(_PROGRAM), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
