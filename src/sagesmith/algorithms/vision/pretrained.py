"""Weights that were learned before: there are none on the machine but those that a job brings."""

from collections.abc import Container

from sagesmith.algorithms.errors import CustomerError


def check(wanted: bool, channels: Container[str], title: str) -> None:
    """Answer `use_pretrained_model`.

    Raises:
        CustomerError: it is set, and the job has no channel `model`.
    """
    if wanted and "model" not in channels:
        raise CustomerError(
            f"use_pretrained_model is 1, and no pretrained weights come with {title}: nothing is downloaded. Give the "
            "job a channel 'model' with the model.tar.gz of an earlier job to start from, or set use_pretrained_model "
            "to 0."
        )
