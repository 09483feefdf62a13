"""Semantic Segmentation with the SDK v2's estimator, by the hyperparameters of AWS's example."""

import random

import sagemaker
import soon
from pngs import grey, png
from sagemaker import image_uris
from sagemaker.deserializers import BytesDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import IdentitySerializer
from steps import step, take

SIDE = 64
session = sagemaker.Session()
bucket = session.default_bucket()
choose = random.Random(0)
trained = Estimator(
    image_uris.retrieve("semantic-segmentation", session.boto_region_name),
    role=soon.role(),
    instance_count=1,
    instance_type="ml.p3.2xlarge",
)
trained.set_hyperparameters(
    backbone="resnet-50",
    algorithm="fcn",
    use_pretrained_model="True",
    crop_size=SIDE,
    base_size=SIDE,
    num_classes=2,
    epochs=3,
    learning_rate=0.0005,
    optimizer="rmsprop",
    lr_scheduler="poly",
    mini_batch_size=4,
    validation_mini_batch_size=16,
    early_stopping=True,
    early_stopping_patience=2,
    early_stopping_min_epochs=10,
    num_training_samples=16,
)


def picture():
    """A PNG whose left or right half is red, and the mask that says where."""
    left = choose.random() < 0.5
    mask = bytes((x < SIDE // 2) == left for _ in range(SIDE) for x in range(SIDE))
    pixels = b"".join(bytes((250, 20, 20) if each else (90, choose.randrange(90, 120), 90)) for each in mask)
    return png(pixels, SIDE, SIDE), mask


@step
def train():
    s3, channels = session.boto_session.client("s3"), {}
    for channel, count in (("train", 16), ("validation", 4)):
        for number in range(count):
            image, mask = picture()
            s3.put_object(Bucket=bucket, Key=f"masks/{channel}/{number}.png", Body=image)
            s3.put_object(Bucket=bucket, Key=f"masks/{channel}_annotation/{number}.png", Body=png(mask, SIDE, SIDE))
        for name in (channel, f"{channel}_annotation"):
            channels[name] = TrainingInput(f"s3://{bucket}/masks/{name}", distribution="FullyReplicated")
    described = soon.fit(trained, channels)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(
        trained, serializer=IdentitySerializer("image/png"), deserializer=BytesDeserializer(accept="image/png")
    )
    image, mask = picture()
    width, height, found = grey(predictor.predict(image))
    predictor.delete_endpoint()
    return {"size": [width, height], "right": sum(map(int.__eq__, found, mask)) / len(mask)}


take()
