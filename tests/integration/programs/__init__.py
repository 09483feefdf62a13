"""Client programs, run in environments of their own, and what they saw."""

import json
from pathlib import Path
from typing import Any

from tests.integration.conftest import Running, environment_python

HERE = Path(__file__).parent


class Seen:
    """What each step of a client program saw."""

    def __init__(self, steps: dict[str, dict[str, Any]], output: str) -> None:
        self._steps = steps
        self._output = output

    def __getitem__(self, step: str) -> Any:
        taken = self._steps.get(step, {"failed": f"The program ended before {step}: {self._output[-4000:]}"})
        assert "failed" not in taken, taken["failed"]
        return taken["saw"]

    @property
    def output(self) -> str:
        """What the program printed."""
        return self._output


def run(platform: Running, environment: str, program: str, folder: Path) -> Seen:
    """Run a program of this folder with the interpreter of a client environment."""
    return run_with(platform, environment_python(environment), program, folder, {})


def run_algorithm(platform: Running, name: str, folder: Path) -> Seen:
    """Run a built-in algorithm's program with the SDK v2."""
    return run(platform, "sdk-v2", f"algorithm_{name}.py", folder)


def run_with(
    platform: Running, python: str, program: str, folder: Path, variables: dict[str, str], *words: str
) -> Seen:
    """Run a program of this folder with an interpreter, further variables and further arguments."""
    answers = folder / "seen.json"
    assigned = [f"{name}={value}" for name, value in variables.items()]
    ended = platform.run(["env", *assigned, python, str(HERE / program), str(answers), *words], cwd=folder)
    steps = json.loads(answers.read_text(encoding="utf-8")) if answers.exists() else {}
    return Seen(steps, ended.stdout + ended.stderr)
