"""What the declarations of the image algorithms have in common."""

from typing import Any

from sagesmith.algorithms.declaration import Channel, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter

JPEG, PNG, IMAGE = "image/jpeg", "image/png", "application/x-image"
IMAGES = "application/x-recordio"
"""Files of RecordIO, whose records are images with what is known of them."""
MODEL = "application/x-sagemaker-model"
PRETRAINED = (
    "{} weights of ImageNet that the machine's administrator has put into the folder of `SAGESMITH_WEIGHTS`: "
    "torchvision's files, such as `resnet50-11ad3fa6.pth`. Where there is none for the network that the job asks for, "
    "EfficientNet-Lite0 takes its place, whose weights come with the algorithm; a warning in the log says so. With "
    "`use_pretrained_model=0` the network is the one that the job asks for."
)
MIXED = (
    "Images of RecordIO through a pipe, or in FastFile mode, are mixed among those that wait, 4,096 or 256 MB of them; "
    "others among all."
)
TRAINING_SAMPLES = Hyperparameter(
    "num_training_samples",
    "integer",
    "The number of training images, by which the learning rate's schedule is laid out.",
    required=True,
    low=1,
)
PROGRESS = (
    Metric(
        "train:throughput",
        r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
        "Images in a second.",
    ),
    Metric("train:progress", r"#progress_metric: host=\S+, completed (\S+) %", "How far training is, in percent."),
)
EARLIER = Channel("model", "An earlier model to go on from.", (MODEL,), modes=("File", "FastFile"))


def epochs(text: str) -> tuple[int, ...]:
    """The epochs of a list such as `10, 20`.

    Raises:
        ValueError: one is no positive integer.
    """
    found = tuple(int(each) if each.strip().isdecimal() else 0 for each in text.split(",") if each.strip())
    if not found or min(found) < 1:
        raise ValueError(f"'{text}' is not a list of epochs such as '10, 20'")
    return found


def real(name: str, meaning: str, default: float, **more: Any) -> Hyperparameter:
    """A number from 0 to 1, if nothing else is said."""
    return Hyperparameter(name, "real", meaning, **{"default": default, "low": 0, "high": 1} | more)


def integer(name: str, meaning: str, default: int, low: int = 1, **more: Any) -> Hyperparameter:
    """A whole number."""
    return Hyperparameter(name, "integer", meaning, default=default, low=low, **more)


def early_stopping(score: str, least: int, patience: int, low: int) -> tuple[Hyperparameter, ...]:
    """The hyperparameters that say when training is stopped.

    Args:
        score: that is to get better.
        least, patience: the defaults of `early_stopping_min_epochs` and `early_stopping_patience`, from `low` on.
    """
    return (
        Hyperparameter("early_stopping", "boolean", f"Stop when {score} gets no better.", default=False),
        integer("early_stopping_min_epochs", "The epochs before which training is not stopped.", least, low=low),
        integer("early_stopping_patience", "So many epochs without an improvement stop training.", patience, low=low),
        real("early_stopping_tolerance", f"The relative improvement of {score} below which there is none.", 0.0),
    )
