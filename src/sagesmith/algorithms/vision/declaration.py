"""What the declarations of the image algorithms have in common."""

from typing import Any

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
IN_MEMORY = "Images of RecordIO, from files and through pipes, are kept in memory as the JPEG or PNG that they come as."


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
