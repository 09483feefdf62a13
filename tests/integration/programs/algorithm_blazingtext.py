"""BlazingText by `image_uris` and an Estimator: an upload, an endpoint, a batch transform."""

import json
import random

import sagemaker
import soon
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import JSONSerializer
from steps import step, take

session = sagemaker.Session()
bucket = session.default_bucket()
topics = {"fruit": ["apple", "pear", "plum", "cherry"], "metal": ["iron", "copper", "zinc", "lead"]}
common = ["the", "a", "of", "and", "in"]


def sentences(count, seed):
    choose = random.Random(seed)
    for number in range(count):
        topic = list(topics)[number % 2]
        words = [choose.choice(topics[topic] + common) for _ in range(6)]
        yield topic, " ".join([*words, topics[topic][0]])


def upload(name, count, seed):
    text = "".join(f"__label__{topic} {text}\n" for topic, text in sentences(count, seed))
    return TrainingInput(
        session.upload_string_as_file_body(text, bucket, f"blazingtext/{name}/{name}.txt"), content_type="text/plain"
    )


estimator = Estimator(
    image_uri=sagemaker.image_uris.retrieve("blazingtext", session.boto_region_name),
    role=soon.role(),
    instance_count=1,
    instance_type="ml.c5.xlarge",
    hyperparameters={"mode": "supervised", "epochs": 20, "vector_dim": 10, "min_count": 1, "learning_rate": 0.3},
)


@step
def train():
    described = soon.fit(estimator, {"train": upload("train", 400, 0), "validation": upload("validation", 100, 1)})
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator, serializer=JSONSerializer())
    request = {"instances": ["zinc and iron", "a pear"], "configuration": {"k": 2}}
    answers = json.loads(predictor.predict(request))
    predictor.delete_model()
    predictor.delete_endpoint()
    return answers


take()
