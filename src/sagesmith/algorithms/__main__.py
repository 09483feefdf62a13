"""`python -m sagesmith.algorithms train|answer [NAME]`.

`train` is what an algorithm's image runs in a training job. `answer` answers one request, from standard input to
standard output, with the model of a job: no server is needed to look at it.
"""

import argparse
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.errors import AlgorithmError, CustomerError, Failure

CUSTOMER_EXIT_CODE = 2
"""Of AWS's algorithms, where the user can mend it."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sagesmith.algorithms", description=__doc__)
    parser.add_argument("command", choices=("train", "answer"))
    parser.add_argument("name", nargs="?", default=os.environ.get("SAGESMITH_ALGORITHM"))
    parser.add_argument("--root", type=Path, default=Path("/opt/ml"), help="the directory that a container has there")
    parser.add_argument("--content-type", default="text/csv", help="of the request")
    parser.add_argument("--accept", default="*/*", help="the types of answer that are wanted")
    options = parser.parse_args(arguments)
    if options.name not in catalogue.NAMES:
        parser.error(f"there is no algorithm {options.name!r}; there are {', '.join(catalogue.NAMES)}")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    if options.command == "answer":
        return answer(options.name, options.root / "model", options.content_type, options.accept)
    return train(options.name, options.root)


def answer(name: str, model_dir: Path, content_type: str, accept: str) -> int:
    """Answer one request; the exit code. What is wrong with it goes to standard error."""
    from sagesmith.algorithms import serving

    try:
        body, _ = serving.load(name, model_dir).answer(sys.stdin.buffer.read(), content_type, accept)
    except Failure as failure:
        sys.stderr.write(f"{failure.reason}\n")
        return CUSTOMER_EXIT_CODE
    sys.stdout.buffer.write(body)
    return 0


def train(name: str, root: Path) -> int:
    """Run a training job; its exit code. Why it failed is in `<root>/output/failure`."""
    # Threads that turn a core while they wait take it from those that have work, of this job and of others.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from sagesmith.algorithms.run.job import Job

        algorithm = catalogue.algorithm(name)
        job = Job.load(algorithm, root)
        job.listen()
        job.log.say(f"{algorithm.title}: {dict(sorted(job.values.items()))}")
        module, _, function = algorithm.train.partition(":")
        getattr(import_module(module), function)(job)
        job.log.say("Training is done.")
        return 0
    except Failure as failure:
        return _failed(root, failure)
    except MemoryError as error:
        return _failed(
            root, CustomerError(f"Out of memory ({error}). Use an instance type with more memory, or less data.")
        )
    except Exception as error:
        traceback.print_exc()
        return _failed(root, AlgorithmError(f"{type(error).__name__}: {error}"))


def _failed(root: Path, failure: Failure) -> int:
    sys.stderr.write(f"{failure.reason}\n")
    output = root / "output"
    output.mkdir(parents=True, exist_ok=True)
    (output / "failure").write_text(failure.reason, encoding="utf-8", errors="backslashreplace")
    return CUSTOMER_EXIT_CODE if isinstance(failure, CustomerError) else 1


if __name__ == "__main__":
    sys.exit(main())
