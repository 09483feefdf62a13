"""XGBoost without a script: `image_uris`, an Estimator, CSV channels, an endpoint."""

import boto3
import numpy as np
import sagemaker
import soon
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
from steps import step, take

session = sagemaker.Session()
generator = np.random.default_rng(0)
rows = generator.normal(size=(400, 4))
labels = (rows[:, 0] * rows[:, 1] > 0).astype(float)
np.savetxt("train.csv", np.column_stack([labels, rows])[:300], delimiter=",")
np.savetxt("validation.csv", np.column_stack([labels, rows])[300:], delimiter=",")
estimator = Estimator(
    image_uri=sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "3.0-5"),
    role=soon.role(),
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"objective": "binary:logistic", "num_round": 30, "eval_metric": "auc"},
)


@step
def train():
    channels = {
        name: TrainingInput(session.upload_data(f"{name}.csv", key_prefix=f"xgboost/{name}"), content_type="csv")
        for name in ("train", "validation")
    }
    described = soon.fit(estimator, channels)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator, serializer=CSVSerializer())
    answer = predictor.predict(rows[:20]).decode()
    empty = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=predictor.endpoint_name, ContentType="text/csv", Body=b""
    )
    predictor.delete_model()
    predictor.delete_endpoint()
    return {
        "answers": [float(each) for each in answer.split(",")],
        "labels": labels[:20].tolist(),
        "empty": (empty["ResponseMetadata"]["HTTPStatusCode"], empty["Body"].read().decode()),
    }


take()
