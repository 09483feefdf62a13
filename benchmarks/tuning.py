"""How long a search takes, beside the same search by bare Optuna with the same program in subprocesses."""

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, Figures, seconds
from benchmarks.lifecycle import interpreter
from tests.integration import jobs, tunings
from tests.integration.conftest import Running

TRIALS, PARALLEL = 30, 2
TRIAL_SECONDS = 6.0
SCRIPT = f"""
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
rate = parser.parse_known_args()[0].rate
time.sleep({TRIAL_SECONDS})
print(f"loss={{(rate - 0.3) ** 2:.6f}}")
"""


def figures(platform: Running) -> Figures:
    jobs.wait_job(platform, jobs.script_job(platform, "print('warm')"))
    bare = seconds(_bare_search)
    called = tunings.start_tuning(platform, TRIALS, SCRIPT, Config={"Strategy": "Bayesian"})
    described = tunings.wait_tuning(platform, called)
    assert described["HyperParameterTuningJobStatus"] == "Completed", described
    began = described["CreationTime"]
    taken = (described["HyperParameterTuningEndTime"] - began).total_seconds()
    name = f"search of {TRIALS} trials of {TRIAL_SECONDS:.0f} s, {PARALLEL} at once"
    yield Figure(name, "s", taken, "within", 1.25, bare, "bare Optuna, subprocesses")
    trials = tunings.trials_of(platform, called)
    busy = sum((each["TrainingEndTime"] - each["CreationTime"]).total_seconds() for each in trials)
    idle = taken * PARALLEL - busy
    yield Figure("what the search adds to a trial", "s", idle / TRIALS, "most", 0.5)


def _bare_search() -> None:
    """The search as one writes it by hand: ask, run, tell."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    python = interpreter(jobs.IMAGE)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "train.py"
        program.write_text(SCRIPT)
        running: dict[subprocess.Popen[str], optuna.trial.Trial] = {}
        asked = 0
        while asked < TRIALS or running:
            while asked < TRIALS and len(running) < PARALLEL:
                trial = study.ask()
                command = [python, str(program), "--rate", str(trial.suggest_float("rate", 0, 1))]
                running[subprocess.Popen(command, stdout=subprocess.PIPE, text=True)] = trial
                asked += 1
            for process in [each for each in running if each.poll() is not None]:
                said, _ = process.communicate()
                study.tell(running.pop(process), float(said.strip().removeprefix("loss=")))
            time.sleep(0.01)
