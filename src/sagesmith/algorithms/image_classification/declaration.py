"""Image Classification as AWS describes it."""

import re
from collections.abc import Mapping
from typing import Any

from sagesmith.algorithms.declaration import JSON, JSON_LINES, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable
from sagesmith.algorithms.vision.declaration import IMAGE, JPEG, MODEL, PNG, PRETRAINED, epochs
from sagesmith.algorithms.vision.declaration import IMAGES as IMAGE_RECORDS

IMAGES = (IMAGE, JPEG, PNG)
DEEP = (18, 34, 50, 101, 152, 200)
SHALLOW = (20, 32, 44, 56, 110)
_LARGEST = 4096
_WITHOUT_STEM = 32
"""A deep network sees images of so many pixels a side, or fewer, without dividing them by four first."""


def image_shape(text: str) -> tuple[int, int, int]:
    """Channels, height and width of `3,224,224`.

    Raises:
        ValueError: it is no such text.
    """
    if not re.fullmatch(r"\s*\d{1,9}(\s*,\s*\d{1,9}){2}\s*", text):
        raise ValueError(f"'{text}' is not 'num_channels,height,width'")
    channels, height, width = (int(each) for each in text.split(","))
    if channels not in (1, 3):
        raise ValueError(f"images have 1 or 3 channels, not {channels}")
    if not (1 <= height <= _LARGEST and 1 <= width <= _LARGEST):
        raise ValueError(f"height and width are from 1 to {_LARGEST}")
    return channels, height, width


def complete(values: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters with an `image_shape` of numbers, and with the `encoder` and its `stem` that follow from them
    unless they are there."""
    shape = values["image_shape"]
    shape = image_shape(shape) if isinstance(shape, str) else tuple(shape)
    follows = {"encoder": f"resnet-{values['num_layers']}", "stem": min(shape[1:]) > _WITHOUT_STEM}
    return {**follows, **values, "image_shape": shape}


def _fraction(
    name: str, meaning: str, default: float, low: float | None = None, high: float = 0.999, *, below: bool = False
) -> Hyperparameter:
    """A number from 0 to 1."""
    tunable = None if low is None else Tunable(low, high)
    return Hyperparameter(name, "real", meaning, default=default, low=0, high=1, below=below, tunable=tunable)


_EXAMPLE = """\
import json
import random
import struct
import zlib

import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput

session = sagemaker.Session()
bucket, choose = session.default_bucket(), random.Random(0)


def picture(label):  # a PNG of 32×32 pixels, red or blue
    colour = [choose.randint(150, 255), 60, choose.randint(0, 99)]
    rows = (b"\\0" + bytes(colour if label == 0 else colour[::-1]) * 32) * 32
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in parts)
    return b"\\x89PNG\\r\\n\\x1a\\n" + b"".join(chunks)


s3 = session.boto_session.client("s3")
for channel in ("train", "validation"):
    lines = []
    for number in range(32):
        s3.put_object(Bucket=bucket, Key=f"colours/{channel}/{number}.png", Body=picture(number % 2))
        lines.append(f"{number}\\t{number % 2}\\t{number}.png\\n")
    s3.put_object(Bucket=bucket, Key=f"colours/{channel}_lst/{channel}.lst", Body="".join(lines))

estimator = Estimator(
    image_uris.retrieve("image-classification", session.boto_region_name),
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={
        "num_classes": 2,
        "num_training_samples": 32,
        "num_layers": 20,
        "image_shape": "3,32,32",
        "mini_batch_size": 8,
        "epochs": 3,
        "learning_rate": 0.02,
    },
)
names = ("train", "validation", "train_lst", "validation_lst")
estimator.fit(
    {name: TrainingInput(f"s3://{bucket}/colours/{name}/", content_type="application/x-image") for name in names}
)
predictor = estimator.deploy(1, "ml.m5.large")
answer = predictor.predict(picture(1), initial_args={"ContentType": "application/x-image"})
print(json.loads(answer))
predictor.delete_model()
predictor.delete_endpoint()
"""

ALGORITHM = Algorithm(
    name="image_classification",
    title="Image Classification",
    repositories=("image-classification",),
    summary=(
        "Tells which class an image is of, or which of several it shows (`multi_label`), by a residual network "
        "(PyTorch) that is trained from the beginning or from the model of an earlier job. The network of the epoch "
        "with the best validation accuracy is kept. Images are read and decoded while the network learns, so that "
        "memory does not grow with their number."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter("num_classes", "integer", "Classes: labels are from 0 up to it.", required=True, low=1),
            Hyperparameter(
                "num_training_samples",
                "integer",
                "Images of the channel `train`; another number there is only remarked.",
                required=True,
                low=1,
            ),
            Hyperparameter(
                "augmentation_type",
                "choice",
                "How images are varied: cut out at random and mirrored (`crop`), with other hue, saturation and "
                "lightness too (`crop_color`), and rotated, sheared and stretched too (`crop_color_transform`).",
                choices=("crop", "crop_color", "crop_color_transform"),
                chosen="images as they are, cut out of the middle",
            ),
            _fraction("beta_1", "The decay of `adam`'s first moment.", 0.9, 1e-6, below=True),
            _fraction("beta_2", "The decay of `adam`'s second moment.", 0.999, 1e-6, below=True),
            Hyperparameter(
                "checkpoint_frequency",
                "integer",
                "Epochs after which the network is put into the model artifact, beside the former ones.",
                low=1,
                chosen="only the best network is kept",
            ),
            Hyperparameter("early_stopping", "boolean", "Stop when accuracy improves no more.", default=False),
            Hyperparameter(
                "early_stopping_min_epochs", "integer", "Epochs before which it never stops early.", default=10, low=1
            ),
            Hyperparameter(
                "early_stopping_patience", "integer", "Epochs without improvement that it waits.", default=5, low=1
            ),
            _fraction("early_stopping_tolerance", "An improvement is more than this share of the best accuracy.", 0.0),
            Hyperparameter("epochs", "integer", "Passes over the images.", default=30, low=1),
            _fraction("eps", "Added to the divisor of `adam` and `rmsprop`.", 1e-8, 1e-8, 1),
            _fraction("gamma", "The decay of `rmsprop`'s squared gradients.", 0.9, 1e-8),
            Hyperparameter(
                "image_shape",
                "text",
                "The network's input: channels (1 or 3), height, width.",
                default="3,224,224",
                check=image_shape,
            ),
            Hyperparameter(
                "kv_store",
                "choice",
                "Taken and of no effect: several instances descend the mean of their gradients, always in step.",
                choices=("dist_sync", "dist_async"),
                chosen="none",
            ),
            _fraction("learning_rate", "The step size at the beginning.", 0.1, 1e-6, 0.5),
            _fraction("lr_scheduler_factor", "What the step size is multiplied by at `lr_scheduler_step`.", 0.1),
            Hyperparameter(
                "lr_scheduler_step",
                "text",
                "Epochs after which it is, such as `10,20`.",
                check=epochs,
                chosen="it stays the same",
            ),
            Hyperparameter(
                "mini_batch_size",
                "integer",
                "Images that are learned from together.",
                default=32,
                low=1,
                tunable=Tunable(8, 512),
            ),
            _fraction("momentum", "Of `sgd` and `nag`.", 0.0, 0),
            Hyperparameter(
                "multi_label",
                "boolean",
                "An image may be of several classes; each gets a probability of its own then.",
                default=False,
            ),
            Hyperparameter(
                "num_layers",
                "integer",
                "Layers of the network: 18, 34, 50, 101, 152 or 200, or for small images 20, 32, 44, 56 or 110.",
                default=152,
            ),
            Hyperparameter(
                "optimizer",
                "choice",
                "The optimizer; `nag` is `sgd` with Nesterov's momentum.",
                default="sgd",
                choices=("sgd", "adam", "rmsprop", "nag"),
                tunable=Tunable(categories=("sgd", "adam", "rmsprop", "nag")),
            ),
            Hyperparameter(
                "precision_dtype",
                "choice",
                "The precision of weights; on CPUs all are `float32`.",
                default="float32",
                choices=("float32", "float16"),
                aliases=("training_precision",),
            ),
            Hyperparameter(
                "resize",
                "integer",
                "The length to which an image's shorter side is brought before it is cut out.",
                low=1,
                high=_LARGEST,
                chosen="only images that are too small are enlarged",
            ),
            Hyperparameter(
                "top_k",
                "integer",
                "Print also how often the label is among so many classes.",
                low=2,
                chosen="it is not printed",
            ),
            Hyperparameter(
                "use_pretrained_model",
                "boolean",
                "Begin with a network that was trained on ImageNet. Of no effect with a channel `model`.",
                default=False,
            ),
            Hyperparameter(
                "use_weighted_loss",
                "boolean",
                "With `multi_label`: rare classes weigh more.",
                default=False,
            ),
            _fraction("weight_decay", "Of `sgd` and `nag`.", 0.0001, 0),
        ),
        rules=(
            Rule(
                lambda values: values["num_layers"] in DEEP + SHALLOW,
                f"num_layers {{num_layers}} is not one of {[*DEEP, *SHALLOW]}",
            ),
            Rule(
                lambda values: values["top_k"] is None or values["top_k"] <= values["num_classes"],
                "top_k {top_k} is more than num_classes {num_classes}",
            ),
            Rule(
                lambda values: values["top_k"] is None or not values["multi_label"],
                "top_k has no meaning with multi_label",
            ),
            Rule(
                lambda values: (values["checkpoint_frequency"] or 0) <= values["epochs"],
                "checkpoint_frequency {checkpoint_frequency} is greater than epochs {epochs}",
            ),
            Rule(
                lambda values: values["resize"] is None or values["resize"] >= max(complete(values)["image_shape"][1:]),
                "resize {resize} is less than the height or width of image_shape",
            ),
        ),
    ),
    channels=(
        Channel(
            "train",
            "Images with labels: RecordIO files as MXNet's im2rec makes them, images that the list in `train_lst` "
            "names, or an augmented manifest in Pipe mode (`label-format=class-id` in the content type where labels "
            "are lists of classes).",
            (IMAGE_RECORDS, *IMAGES),
            required=True,
        ),
        Channel("validation", "The same, to choose by.", (IMAGE_RECORDS, *IMAGES)),
        Channel(
            "train_lst",
            "A list of the images: number, label and path, with tabs in between.",
            IMAGES,
            modes=("File", "FastFile"),
        ),
        Channel("validation_lst", "The same.", IMAGES, modes=("File", "FastFile")),
        Channel("model", "An earlier job's model to go on from.", (MODEL,), modes=("File", "FastFile")),
    ),
    metrics=(
        Metric(
            "train:accuracy", r"Epoch\[\d+\] Train-accuracy=([0-9.]+)", "Share of the training labels that were told."
        ),
        Metric(
            "validation:accuracy",
            r"Epoch\[\d+\] Validation-accuracy=([0-9.]+)",
            "Share of the validation labels that are told.",
            "Maximize",
        ),
    ),
    train="sagesmith.algorithms.image_classification.train:train",
    load="sagesmith.algorithms.image_classification.model:load",
    content_types=IMAGES,
    accepts=(JSON, JSON_LINES),
    hardware="GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/image-classification.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/IC-HowItWorks.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/IC-Hyperparameter.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/IC-tuning.html",
        "He et al.: Deep Residual Learning for Image Recognition, CVPR 2016",
    ),
    differences=(
        PRETRAINED.format("`use_pretrained_model=1` begins with"),
        "It trains on CPUs, in single precision.",
        "Of several instances each normalises batches of its own; `dist_async` is as `dist_sync`.",
        "A job with a CheckpointConfig that is stopped, or interrupted, goes on with the next batch of its epoch.",
        "The artifact has PyTorch's weights, not MXNet's; only the best network is in it, not all that once were best.",
        "Without a channel `validation` the last epoch's network is kept.",
        "A request's image is scaled to cover `image_shape` (or `resize`) and cut out of the middle.",
        "An image has up to 64 million pixels.",
        "Accuracy with `multi_label` is the share of classes, of all images, that are told with a limit of 0.5.",
    ),
    instances=True,
    incremental=True,
    artifact="`image-classification.json`, the hyperparameters, and `image-classification-<epoch>.npz`, the weights",
    examples=(Example("Coloured squares with the SDK v2", _EXAMPLE),),
)
