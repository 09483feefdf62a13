"""Semantic Segmentation as AWS describes it."""

from dataclasses import replace
from typing import Any

from sagesmith.algorithms.declaration import Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable
from sagesmith.algorithms.vision.declaration import (
    EARLIER,
    IMAGE,
    IMAGES,
    JPEG,
    MIXED,
    PNG,
    PRETRAINED,
    PROGRESS,
    TRAINING_SAMPLES,
    early_stopping,
    epochs,
    integer,
    real,
)

PROTOBUF = "application/x-protobuf"
RECORDIO = "application/x-recordio-protobuf"
BACKBONES = ("resnet-20", "resnet-18", "resnet-34", "resnet-50", "resnet-101")
ARCHITECTURE = ("backbone", "algorithm", "crop_size", "num_classes")
"""What a model and the job that goes on from it must have in common."""
OF_AWS = ("resnet-50", "resnet-101")
_PAGE = "https://docs.aws.amazon.com/sagemaker/latest/dg/"
_FOUR = ("train", "train_annotation", "validation", "validation_annotation")


_NETWORK = (
    Hyperparameter(
        "backbone",
        "choice",
        "The residual network that encodes images; AWS has those of 50 and 101 layers. That of 20 is narrow, for "
        "images of some 30 pixels.",
        default="resnet-50",
        choices=BACKBONES,
    ),
    Hyperparameter(
        "use_pretrained_model",
        "boolean",
        "Begin with a backbone that was trained on ImageNet. Of no effect with a channel `model`.",
        chosen="`true` for `resnet-50` and `resnet-101`, `false` for those that AWS has not",
    ),
    Hyperparameter(
        "algorithm",
        "choice",
        "The decoder: a fully convolutional network, pyramid scene parsing, or DeepLab V3.",
        default="fcn",
        choices=("fcn", "psp", "deeplab"),
    ),
)
_DATA = (
    Hyperparameter("num_classes", "integer", "The number of classes.", required=True, low=2, high=254),
    TRAINING_SAMPLES,
    integer(
        "base_size",
        "Images are scaled before they are cropped so that their longer side is this, times a random number from 0.5 "
        "to 2.",
        520,
        low=17,
    ),
    integer("crop_size", "The side of the random crops; rounded up to a multiple of 8.", 240, low=17),
)
_TRAINING = (
    *early_stopping("mIOU", 5, 4, low=0),
    integer("epochs", "Passes over the training images.", 10),
    real("gamma1", "The decay of `rmsprop`'s squared gradients.", 0.9),
    real("gamma2", "The momentum of `rmsprop`.", 0.9),
    real(
        "learning_rate",
        "The initial learning rate.",
        0.001,
        above=True,
        tunable=Tunable(1e-4, 1e-1, scale="Logarithmic"),
    ),
    Hyperparameter(
        "lr_scheduler",
        "choice",
        "How the learning rate falls: at some epochs, or smoothly by a polynomial or a cosine.",
        default="poly",
        choices=("step", "poly", "cosine"),
    ),
    real("lr_scheduler_factor", "What `step` multiplies the learning rate by.", 0.1),
    Hyperparameter(
        "lr_scheduler_step",
        "text",
        "The epochs after which `step` does, such as `10, 20`.",
        check=epochs,
        chosen="none: `step` needs it",
    ),
    integer("mini_batch_size", "The number of images in a batch.", 16, tunable=Tunable(1, 128)),
    real("momentum", "The momentum of `sgd` and `nag`.", 0.9, above=True, tunable=Tunable(0.9, 0.999)),
    Hyperparameter(
        "optimizer",
        "choice",
        "How weights are updated.",
        default="sgd",
        choices=("adam", "adagrad", "nag", "rmsprop", "sgd"),
        tunable=Tunable(categories=("sgd", "adam", "adagrad")),
    ),
    Hyperparameter("syncbn", "boolean", "Taken and of no effect: there are no GPUs to keep in step.", default=False),
    integer(
        "validation_mini_batch_size",
        "The number of images in a batch of validation, cropped to `crop_size`; 1 measures whole images.",
        16,
    ),
    real(
        "weight_decay",
        "The weight decay of `sgd`.",
        0.0001,
        above=True,
        below=True,
        tunable=Tunable(1e-5, 1e-3, scale="Logarithmic"),
    ),
)

_EXAMPLE = """\
import io

import boto3
import numpy as np
import sagemaker
from PIL import Image
from sagemaker import image_uris
from sagemaker.estimator import Estimator

session = sagemaker.Session()
s3, bucket = boto3.client("s3"), session.default_bucket()
random = np.random.default_rng(0)


def put(channel, name, pixels, form):
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, form)
    s3.put_object(Bucket=bucket, Key=f"squares/{channel}/{name}", Body=data.getvalue())


# Bright squares on a dark ground.
for channel, count in (("train", 16), ("validation", 4)):
    for number in range(count):
        mask = np.zeros((48, 48), np.uint8)
        top, left = random.integers(0, 24, 2)
        mask[top : top + 24, left : left + 24] = 1
        pixels = (mask[..., None] * 150 + random.integers(0, 50, (48, 48, 3))).astype(np.uint8)
        put(channel, f"{number}.jpg", pixels, "JPEG")
        put(f"{channel}_annotation", f"{number}.png", mask, "PNG")

estimator = Estimator(
    image_uris.retrieve("semantic-segmentation", session.boto_region_name),
    sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.p3.2xlarge",
    sagemaker_session=session,
    hyperparameters={
        "backbone": "resnet-20",
        "use_pretrained_model": "False",
        "num_classes": 2,
        "num_training_samples": 16,
        "base_size": 48,
        "crop_size": 48,
        "epochs": 5,
        "mini_batch_size": 4,
        "learning_rate": 0.02,
    },
)
names = ("train", "train_annotation", "validation", "validation_annotation")
estimator.fit({name: f"s3://{bucket}/squares/{name}" for name in names})
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
predictor.serializer = sagemaker.serializers.IdentitySerializer("image/jpeg")
predictor.deserializer = sagemaker.deserializers.BytesDeserializer(accept="image/png")
body = s3.get_object(Bucket=bucket, Key="squares/validation/0.jpg")["Body"].read()
print(np.array(Image.open(io.BytesIO(predictor.predict(body)))))
predictor.delete_model()
predictor.delete_endpoint()
"""


def _channel(name: str, meaning: str, types: tuple[str, ...], **more: Any) -> Channel:
    return Channel(name, meaning, types, distribution="one instance", **more)


def _metric(name: str, kind: str, meaning: str, goal: Any = None) -> Metric:
    channel, _, quality = name.partition(":")
    regex = rf"#quality_metric: host=\S+, epoch=\S+, {channel} {quality} <{kind}>=(\S+)"
    return Metric(name, regex, meaning, goal)


ALGORITHM = Algorithm(
    name="semantic_segmentation",
    title="Semantic Segmentation",
    repositories=("semantic-segmentation",),
    summary=(
        "Says the class of each pixel of an image: a residual network encodes the image at an eighth of its size, and "
        "a fully convolutional network, pyramid scene parsing or DeepLab V3 makes the mask of that. PyTorch trains "
        "and answers. The weights of the epoch with the best mIOU are kept."
    ),
    schema=Schema(
        (*_NETWORK, *_DATA, *_TRAINING),
        rules=(
            Rule(
                lambda values: values["lr_scheduler"] != "step" or values["lr_scheduler_step"] is not None,
                "'lr_scheduler_step' is a required property where lr_scheduler is step",
            ),
        ),
    ),
    channels=(
        _channel(
            "train",
            "Images; or, as application/x-recordio, the images and masks of an augmented manifest.",
            (IMAGE, JPEG, PNG, IMAGES),
            required=True,
        ),
        _channel(
            "train_annotation",
            "A PNG mask for each image, with the image's name: a pixel is the number of its class, 255 for none.",
            (IMAGE, PNG),
            modes=("File", "FastFile"),
        ),
        _channel(
            "validation",
            "The same as train, to measure with and to stop by.",
            (IMAGE, JPEG, PNG, IMAGES),
            required=True,
        ),
        _channel("validation_annotation", "Masks of the validation images.", (IMAGE, PNG), modes=("File", "FastFile")),
        _channel(
            "label_map",
            "`train_label_map.json` and `validation_label_map.json`, which say what the masks' values stand for.",
            ("application/json", IMAGE),
            modes=("File", "FastFile"),
        ),
        replace(EARLIER, distribution="one instance"),
    ),
    metrics=(
        _metric(
            "validation:mIOU",
            "score",
            "A class's intersection of masks over their union, the mean of classes; validation images.",
            "Maximize",
        ),
        _metric("validation:pixel_accuracy", "score", "The part of pixels that are right, validation.", "Maximize"),
        _metric("train:loss", "loss", "The cross-entropy of the training images' pixels."),
        *PROGRESS,
    ),
    train="sagesmith.algorithms.semantic_segmentation.train:train",
    load="sagesmith.algorithms.semantic_segmentation.model:load",
    content_types=(JPEG, PNG, IMAGE),
    accepts=(PNG, PROTOBUF, RECORDIO),
    hardware="GPU",
    sources=(
        f"{_PAGE}semantic-segmentation.html",
        f"{_PAGE}segmentation-hyperparameters.html",
        f"{_PAGE}semantic-segmentation-tuning.html",
        "https://arxiv.org/abs/1605.06211 (Fully Convolutional Networks for Semantic Segmentation)",
        "https://arxiv.org/abs/1612.01105 (Pyramid Scene Parsing Network)",
        "https://arxiv.org/abs/1706.05587 (Rethinking Atrous Convolution for Semantic Image Segmentation: DeepLab V3)",
    ),
    differences=(
        PRETRAINED.format("Training begins, as AWS's does by default, with"),
        "A job with a CheckpointConfig that is stopped, or interrupted, goes on with the next batch of its epoch.",
        "Backbones of 18, 20 and 34 layers are taken too, for training without a GPU.",
        "A class that is in no mask, and in no prediction, does not count in mIOU.",
        MIXED,
        "Requests may be PNG as well as JPEG, of up to 12 million pixels. Training images have up to 64 million, "
        "those of validation too unless `validation_mini_batch_size` is 1.",
    ),
    incremental=True,
    artifact="`model.json`, the hyperparameters, and `weights.npz`",
    examples=(Example("Squares with the SDK v2", _EXAMPLE),),
)
