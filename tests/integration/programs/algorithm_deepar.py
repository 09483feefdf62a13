"""DeepAR with the SDK v2's generic estimator."""

import json

import numpy as np
import sagemaker
import soon
from sagemaker import image_uris
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import JSONSerializer
from steps import step, take

session = sagemaker.Session()
week = np.array([1, 2, 3, 4, 5, 9, 8])
prefix = f"s3://{session.default_bucket()}/deepar"
estimator = Estimator(
    image_uri=image_uris.retrieve("forecasting-deepar", session.boto_region_name),
    role=soon.role(),
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={
        "time_freq": "D",
        "context_length": 7,
        "prediction_length": 7,
        "epochs": 4,
        "num_layers": 1,
        "learning_rate": 0.02,
        "mini_batch_size": 32,
    },
)


def uploaded(channel, weeks):
    lines = [
        json.dumps({"start": "2024-01-01", "target": [int(size * each) for each in np.tile(week, weeks)]})
        for size in (1, 7)
    ]
    return S3Uploader.upload_string_as_file_body(
        "\n".join(lines), f"{prefix}/{channel}/series.json", sagemaker_session=session
    )


@step
def train():
    described = soon.fit(estimator, {"train": uploaded("train", 20), "test": uploaded("test", 21)})
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator, serializer=JSONSerializer(), deserializer=JSONDeserializer())
    request = {
        "instances": [{"start": "2024-01-01", "target": (5 * np.tile(week, 8)).tolist()}],
        "configuration": {"num_samples": 20, "output_types": ["quantiles"], "quantiles": ["0.1", "0.9"]},
    }
    answer = predictor.predict(request)
    predictor.delete_model()
    predictor.delete_endpoint()
    return answer


take()
