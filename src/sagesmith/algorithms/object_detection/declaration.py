"""Object Detection as AWS describes it."""

import re
from typing import Any

from sagesmith.algorithms.declaration import JSON, JSON_LINES, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Schema, Tunable
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

ARCHITECTURE = ("base_network", "num_classes")
"""What a model and the job that goes on from it must have in common."""
OF_AWS = ("vgg-16", "resnet-50")
_PAGE = "https://docs.aws.amazon.com/sagemaker/latest/dg/"


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"'{text}' is not a regular expression: {error}") from None
    return "" if text == "false" else text


_PARAMETERS = (
    Hyperparameter("num_classes", "integer", "The number of classes.", required=True, low=1),
    TRAINING_SAMPLES,
    Hyperparameter(
        "base_network",
        "choice",
        "The network that sees the image; AWS has `vgg-16` and `resnet-50`.",
        default="vgg-16",
        choices=("vgg-16", "resnet-50", "resnet-34", "resnet-18", "resnet-20"),
    ),
    *early_stopping("mAP", 10, 5, low=1),
    integer("epochs", "Passes over the training images.", 30),
    Hyperparameter(
        "freeze_layer_pattern",
        "text",
        "A regular expression: weights of the base network whose names have it are not learned.",
        default="",
        check=_pattern,
    ),
    integer("image_shape", "The side of the square that images are scaled to; AWS's is at least 300.", 300, low=32),
    Hyperparameter(
        "kv_store",
        "choice",
        "Taken and of no effect: several instances descend the mean of their gradients, always in step.",
        choices=("dist_sync", "dist_async"),
        chosen="none",
    ),
    integer("label_width", "Taken and of no effect: annotations may be as long as they are.", 350),
    real("learning_rate", "The initial learning rate.", 0.001, above=True, tunable=Tunable(1e-6, 0.5)),
    real("lr_scheduler_factor", "What the learning rate is multiplied by.", 0.1, above=True, below=True),
    Hyperparameter(
        "lr_scheduler_step",
        "text",
        "The epochs after which it is, such as `10, 20`.",
        check=lambda text: epochs(text) if text else (),
        chosen="never",
    ),
    integer("mini_batch_size", "The number of images in a batch.", 32, tunable=Tunable(8, 64)),
    real("momentum", "The momentum of `sgd`.", 0.9, above=True, tunable=Tunable(0.0, 0.999)),
    real("nms_threshold", "Of two boxes of a class that overlap by more, one is answered.", 0.45, above=True),
    Hyperparameter(
        "optimizer",
        "choice",
        "How weights are updated.",
        default="sgd",
        choices=("sgd", "adam", "rmsprop", "adadelta"),
        tunable=Tunable(categories=("sgd", "adam", "rmsprop", "adadelta")),
    ),
    real("overlap_threshold", "What a box must share with an object's to be right, for mAP.", 0.5, above=True),
    Hyperparameter(
        "use_pretrained_model",
        "boolean",
        "Begin with a base network that was trained on ImageNet. Of no effect with a channel `model`.",
        chosen="1 for `vgg-16` and `resnet-50`, 0 for those that AWS has not",
    ),
    real("weight_decay", "The weight decay of `sgd`.", 0.0005, above=True, tunable=Tunable(0.0, 0.999)),
)

_EXAMPLE = """\
import io
import json

import boto3
import numpy as np
import sagemaker
from PIL import Image
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput

session = sagemaker.Session()
s3, bucket = boto3.client("s3"), session.default_bucket()
random = np.random.default_rng(0)


def put(channel, name, body):
    s3.put_object(Bucket=bucket, Key=f"boxes/{channel}/{name}", Body=body)


# A bright square somewhere on a dark ground.
for channel, count in (("train", 24), ("validation", 4)):
    for number in range(count):
        pixels = random.integers(0, 50, (32, 32, 3)).astype(np.uint8)
        left, top = (int(each) for each in random.integers(0, 16, 2))
        pixels[top : top + 16, left : left + 16] += 150
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG")
        put(channel, f"{number}.jpg", data.getvalue())
        box = {"class_id": 0, "left": left, "top": top, "width": 16, "height": 16}
        size = [{"width": 32, "height": 32, "depth": 3}]
        known = {"file": f"{number}.jpg", "image_size": size, "annotations": [box]}
        put(f"{channel}_annotation", f"{number}.json", json.dumps(known))

estimator = Estimator(
    image_uris.retrieve("object-detection", session.boto_region_name),
    sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.p3.2xlarge",
    sagemaker_session=session,
    hyperparameters={
        "base_network": "resnet-20",
        "use_pretrained_model": 0,
        "num_classes": 1,
        "num_training_samples": 24,
        "image_shape": 32,
        "epochs": 6,
        "mini_batch_size": 8,
        "learning_rate": 0.003,
        "optimizer": "adam",
    },
)
names = ("train", "train_annotation", "validation", "validation_annotation")
place = f"s3://{bucket}/boxes"
estimator.fit({name: TrainingInput(f"{place}/{name}", content_type="image/jpeg") for name in names})
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
predictor.serializer = sagemaker.serializers.IdentitySerializer("image/jpeg")
predictor.deserializer = sagemaker.deserializers.JSONDeserializer()
(label, score, left, top, right, bottom), *others = predictor.predict(data.getvalue())["prediction"]
print([32 * left, 32 * top, 32 * right, 32 * bottom], box)
predictor.delete_model()
predictor.delete_endpoint()
"""


def _channel(name: str, meaning: str, types: tuple[str, ...], **more: Any) -> Channel:
    return Channel(name, meaning, types, **more)


def _loss(name: str, meaning: str) -> Metric:
    return Metric(
        f"train:{name}", rf"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train {name} <loss>=(\S+)", meaning
    )


ALGORITHM = Algorithm(
    name="object_detection",
    title="Object Detection",
    repositories=("object-detection",),
    summary=(
        "Finds objects in images, their classes and boxes, by one network that looks at boxes of many sizes at every "
        "place: SSD on VGG-16 or a residual network. PyTorch trains and answers. The weights of the epoch with the "
        "best mAP are kept."
    ),
    schema=Schema(_PARAMETERS),
    channels=(
        _channel(
            "train",
            "Images with their annotations: MXNet's RecordIO, an augmented manifest, or images beside the channel "
            "`train_annotation`.",
            (IMAGES, IMAGE, JPEG, PNG),
            required=True,
        ),
        _channel("validation", "The same, to measure with and to stop by.", (IMAGES, IMAGE, JPEG, PNG), required=True),
        _channel(
            "train_annotation",
            "A JSON file for each image, with the image's name.",
            (IMAGE, JPEG, PNG, JSON),
            modes=("File", "FastFile"),
        ),
        _channel(
            "validation_annotation",
            "A JSON file for each validation image.",
            (IMAGE, JPEG, PNG, JSON),
            modes=("File", "FastFile"),
        ),
        EARLIER,
    ),
    metrics=(
        Metric(
            "validation:mAP",
            r"#quality_metric: host=\S+, epoch=\S+, validation mAP <score>=\((\S+)\)",
            "The mean over classes of the average precision, validation images.",
            "Maximize",
        ),
        _loss("cross_entropy", "Of the anchors' classes, for each anchor that has an object."),
        _loss("smooth_l1", "Of the anchors' shifts, for each anchor that has an object."),
        *PROGRESS,
    ),
    train="sagesmith.algorithms.object_detection.train:train",
    load="sagesmith.algorithms.object_detection.model:load",
    content_types=(IMAGE, JPEG, PNG),
    accepts=(JSON, JSON_LINES),
    hardware="GPU",
    sources=(
        f"{_PAGE}object-detection.html",
        f"{_PAGE}object-detection-api-config.html",
        f"{_PAGE}object-detection-in-formats.html",
        f"{_PAGE}object-detection-tuning.html",
        "https://arxiv.org/abs/1512.02325 (SSD: Single Shot MultiBox Detector)",
    ),
    differences=(
        PRETRAINED.format("Training begins, as AWS's does by default, with"),
        "Residual networks of 18, 20 and 34 layers are taken too, and images of less than 300 pixels, for training "
        "without a GPU.",
        "VGG-16 has a normalisation after each convolution. The names that `freeze_layer_pattern` looks for are "
        "PyTorch's, such as `stages.0.0.0.weight`.",
        "Of several instances each normalises batches of its own; `dist_async` is as `dist_sync`.",
        "A job with a CheckpointConfig that is stopped, or interrupted, goes on with the next batch of its epoch.",
        "An image has up to 64 million pixels.",
        MIXED,
        "Weight decay is `sgd`'s alone.",
    ),
    instances=True,
    incremental=True,
    artifact="`model.json`, the hyperparameters, and `weights.npz`",
    examples=(Example("Squares with the SDK v2", _EXAMPLE),),
)
