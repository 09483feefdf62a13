"""The XGBoost container's `train`: in framework mode the user's script, in algorithm mode the built-in algorithm.

Source: github.com/aws/sagemaker-xgboost-container.
"""

import os
import sys

from sagemaker_training import environment
from sagesmith_frameworks import script


def main() -> None:
    """Run the script; without one, become the algorithm's process, whose exit code is the job's."""
    env = environment.Environment()
    if env.user_entry_point is not None:
        script.run(env)
        return
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "sagesmith.algorithms", "train"])  # noqa: S606 - no shell
