"""Object Detection with the SDK v2's estimator, by AWS's defaults: a base network that has seen ImageNet."""

import json
import random

import sagemaker
import soon
from pngs import png
from sagemaker import image_uris
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import IdentitySerializer
from steps import step, take

SIDE = 64
session = sagemaker.Session()
bucket = session.default_bucket()
choose = random.Random(0)
trained = Estimator(
    image_uris.retrieve("object-detection", session.boto_region_name),
    role=soon.role(),
    instance_count=1,
    instance_type="ml.p3.2xlarge",
    hyperparameters={
        "num_classes": 1,
        "num_training_samples": 16,
        "image_shape": SIDE,
        "mini_batch_size": 8,
        "epochs": 2,
        "learning_rate": 0.001,
        "optimizer": "adam",
        "label_width": 350,
        "kv_store": "dist_sync",
    },
)


def picture():
    """A PNG with a red square, and where that is."""
    left, top = (choose.randrange(0, SIDE // 2) for _ in range(2))
    inside = range(SIDE // 2)
    pixels = b"".join(
        bytes((250, 20, 20) if x - left in inside and y - top in inside else (90, choose.randrange(90, 120), 90))
        for y in range(SIDE)
        for x in range(SIDE)
    )
    return png(pixels, SIDE, SIDE), {"left": left, "top": top, "width": SIDE // 2, "height": SIDE // 2}


@step
def train():
    s3, channels = session.boto_session.client("s3"), {}
    for channel, count in (("train", 16), ("validation", 4)):
        for number in range(count):
            image, box = picture()
            s3.put_object(Bucket=bucket, Key=f"boxes/{channel}/{number}.png", Body=image)
            known = {
                "file": f"{number}.png",
                "image_size": [{"width": SIDE, "height": SIDE, "depth": 3}],
                "annotations": [{"class_id": 0, **box}],
                "categories": [{"class_id": 0, "name": "square"}],
            }
            key = f"boxes/{channel}_annotation/{number}.json"
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(known))
        for name in (channel, f"{channel}_annotation"):
            channels[name] = TrainingInput(
                f"s3://{bucket}/boxes/{name}",
                distribution="FullyReplicated",
                content_type="image/png",
                s3_data_type="S3Prefix",
            )
    described = soon.fit(trained, channels)
    logs, group = session.boto_session.client("logs"), "/aws/sagemaker/TrainingJobs"
    found = logs.filter_log_events(logGroupName=group, filterPattern="use_pretrained_model TAKES")["events"]
    metrics = {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}
    return {"metrics": metrics, "warning": found[0]["message"]}


@step
def predict():
    predictor = soon.deploy(trained, serializer=IdentitySerializer("image/png"), deserializer=JSONDeserializer())
    found = predictor.predict(picture()[0])["prediction"]
    predictor.delete_endpoint()
    return found[:9]


take()
