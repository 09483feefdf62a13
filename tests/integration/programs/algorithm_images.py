"""The image algorithms with the SDK v2's estimator, by what their pages do not show.

Image Classification learns from RecordIO, and goes on with an augmented manifest in a pipe; Object Detection begins, by
AWS's defaults, with a base network that has seen ImageNet.
"""

import json
import random
import struct

import sagemaker
import soon
from pngs import png
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from steps import step, take

session = sagemaker.Session()
bucket = session.default_bucket()
s3, logs = session.boto_session.client("s3"), session.boto_session.client("logs")
choose = random.Random(0)
TINY = {
    "num_classes": 2,
    "num_training_samples": 32,
    "num_layers": 20,
    "image_shape": "3,12,12",
    "mini_batch_size": 8,
    "epochs": 3,
    "learning_rate": 0.02,
    "momentum": 0.9,
}


def picture(label):
    """A PNG of 12×12 pixels, reddish or bluish."""
    colour = [choose.randint(150, 255), 60, choose.randint(0, 99)]
    return png(bytes(colour if label == 0 else colour[::-1]) * 144, 12, 12)


def record(labels, image):
    several = struct.pack(f"<{len(labels)}f", *labels) if len(labels) > 1 else b""
    data = struct.pack("<IfQQ", len(several) // 4, 0.0 if several else labels[0], 0, 0) + several + image
    return struct.pack("<II", 0xCED7230A, len(data)) + data + bytes(-len(data) % 4)


def stored(name, records):
    s3.put_object(Bucket=bucket, Key=f"recordio/{name}/all.rec", Body=b"".join(records))
    return TrainingInput(f"s3://{bucket}/recordio/{name}/", content_type="application/x-recordio")


def estimator(algorithm, **hyperparameters):
    return Estimator(
        image_uris.retrieve(algorithm, session.boto_region_name),
        role=soon.role(),
        instance_count=1,
        instance_type="ml.m5.large",
        hyperparameters=hyperparameters,
    )


def metrics(described):
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


trained = estimator("image-classification", **TINY)


@step
def train():
    names = ("train", "validation")
    channels = {name: stored(name, [record([each % 2], picture(each % 2)) for each in range(32)]) for name in names}
    return metrics(soon.fit(trained, channels))


@step
def piped():
    lines = []
    for number in range(32):
        s3.put_object(Bucket=bucket, Key=f"single/{number}.png", Body=picture(number % 2))
        lines.append({"source-ref": f"s3://{bucket}/single/{number}.png", "class": str(number % 2)})
    manifest = "".join(json.dumps(line) + "\n" for line in lines)
    place = session.upload_string_as_file_body(manifest, bucket, "single/train.manifest")
    given = {
        "s3_data_type": "AugmentedManifestFile",
        "attribute_names": ["source-ref", "class"],
        "content_type": "application/x-recordio",
        "record_wrapping": "RecordIO",
        "input_mode": "Pipe",
    }
    channels = {channel: TrainingInput(place, **given) for channel in ("train", "validation")}
    earlier = TrainingInput(trained.model_data, content_type="application/x-sagemaker-model", input_mode="File")
    return metrics(soon.fit(estimator("image-classification", **TINY), channels | {"model": earlier}))


@step
def pretrained():
    box = [2, 5, 0, 0.2, 0.2, 0.8, 0.8]
    channels = {name: stored(f"boxes-{name}", [record(box, picture(0))] * 4) for name in ("train", "validation")}
    given = {"num_classes": 1, "num_training_samples": 4, "image_shape": 32, "mini_batch_size": 4, "epochs": 1}
    described = soon.fit(estimator("object-detection", **given, label_width=350, kv_store="dist_sync"), channels)
    group = "/aws/sagemaker/TrainingJobs"
    found = logs.filter_log_events(logGroupName=group, filterPattern="use_pretrained_model TAKES")["events"]
    return {"metrics": metrics(described), "warning": found[0]["message"]}


take()
