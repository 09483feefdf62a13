"""Image Classification with the SDK v2's estimator: RecordIO, then an augmented manifest in a pipe."""

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


def record(label, number):
    data = struct.pack("<IfQQ", 0, label, number, 0) + picture(label)
    return struct.pack("<II", 0xCED7230A, len(data)) + data + bytes(-len(data) % 4)


def estimator():
    return Estimator(
        image_uris.retrieve("image-classification", session.boto_region_name),
        role=soon.role(),
        instance_count=1,
        instance_type="ml.m5.large",
        hyperparameters=TINY,
    )


trained = estimator()
s3 = session.boto_session.client("s3")


@step
def train():
    channels = {}
    for channel in ("train", "validation"):
        data = b"".join(record(number % 2, number) for number in range(32))
        s3.put_object(Bucket=bucket, Key=f"colours-recordio/{channel}/{channel}.rec", Body=data)
        channels[channel] = TrainingInput(
            f"s3://{bucket}/colours-recordio/{channel}/", content_type="application/x-recordio"
        )
    described = soon.fit(trained, channels)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


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
    described = soon.fit(estimator(), channels | {"model": earlier})
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(trained)
    answers = [
        json.loads(predictor.predict(picture(label), initial_args={"ContentType": "application/x-image"}))
        for label in (0, 1)
    ]
    predictor.delete_endpoint()
    return answers


take()
