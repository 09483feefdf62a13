"""The former name of `sagemaker-training`, which old training scripts still import.

Only what scripts are known to use is here; the rest of it was the toolkit's inside.
"""

from typing import Any

from sagemaker_training import entry_point

__all__ = ["entry_point", "training_env"]


def training_env() -> Any:
    """What the job was given: hyperparameters, channels, hosts, directories."""
    from sagemaker_training.environment import Environment

    return Environment()
