"""Whether an earlier job's model, the channel `model`, is one that a job can go on from.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/incremental-training.html
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sagesmith.algorithms.errors import CustomerError


def check(folder: Path, file: str, values: Mapping[str, Any], names: Sequence[str], title: str) -> None:
    """See whether an earlier model is of the same kind as the job.

    Args:
        file: the JSON of the model's hyperparameters.
        names: the hyperparameters that must be the same.

    Raises:
        CustomerError: it is another algorithm's, or one of `names` differs.
    """
    try:
        earlier = json.loads((folder / file).read_text(encoding="utf-8"))
        different = [name for name in names if earlier[name] != values[name]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model in channel 'model' is not one of {title}: {file}: {error}") from error
    if different:
        name = different[0]
        raise CustomerError(
            f"The model in channel 'model' has another network: its {name} is {earlier[name]}, the job's "
            f"{values[name]}."
        )
