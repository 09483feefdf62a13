"""kill -9 at random moments, for long: `python -m tests.chaos [--rounds 50] [--seed TEXT] [--compute ray]`."""

import argparse
import os
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Returns what pytest does: 0 if nothing was lost, stuck or run twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.partition(":")[0])
    parser.add_argument("--rounds", type=int, default=50, help="how often something is killed (%(default)s)")
    parser.add_argument("--seed", default="7", help="what the moments and the victims depend on (%(default)s)")
    parser.add_argument("--compute", choices=["local", "ray"], default="local", help="who runs the jobs (%(default)s)")
    asked = parser.parse_args()
    variables = {"SAGESMITH_SOAK_KILLS": str(asked.rounds), "SAGESMITH_SOAK_SEED": asked.seed}
    suffix = "_on_ray" if asked.compute == "ray" else ""
    program = Path(__file__).with_name(f"test_random_kills{suffix}.py")
    return subprocess.run([sys.executable, "-m", "pytest", "-q", str(program)], env=os.environ | variables).returncode


if __name__ == "__main__":
    sys.exit(main())
