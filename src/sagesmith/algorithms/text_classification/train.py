"""Training Text Classification."""

from sagesmith.algorithms.encoder import training
from sagesmith.algorithms.run.job import Job


def train(job: Job) -> None:
    """Train, and save the model.

    Raises:
        CustomerError: the data or the earlier model are wrong.
    """
    training.train(job, 1, job.values, training.with_equals)
