"""Training Sentence Pair Classification."""

from sagesmith.algorithms.encoder import training
from sagesmith.algorithms.run.job import Job


def train(job: Job) -> None:
    """Train, and save the model.

    Raises:
        CustomerError: the data or the earlier model are wrong.
    """
    training.train(job, 2, job.values, _line)


def _line(epoch: int, epochs: int, scores: training.Scores) -> str:
    """As both libraries have it, for metric definitions of either kind."""
    keras, transformers = training.with_colons(epoch, epochs, scores), training.as_dictionary(epoch, epochs, scores)
    return f"{keras}\n{transformers}"
