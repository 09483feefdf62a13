"""Built-in algorithms with the SageMaker SDK v3: a ModelTrainer of the image, and an endpoint."""

import json
import os
import random
import time

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant, S3DataSource
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.train import ModelTrainer
from steps import step, take

session = Session()
role = get_execution_role(session)
name = f"v3-{os.getpid()}"
choose = random.Random(0)


def trained(algorithm, version, hyperparameters, content_type, lines, instances=1):
    """Train, each instance with lines of its own; the artifact and the metrics of the job that is Completed."""
    image = image_uris.retrieve(algorithm, session.boto_region_name, version=version)
    uri = f"s3://{session.default_bucket()}/{name}/{algorithm}/rows"
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    for number in range(instances):
        part = lines[number * len(lines) // instances : (number + 1) * len(lines) // instances]
        boto3.client("s3").put_object(Bucket=bucket, Key=f"{key}/{number}", Body="\n".join(part).encode())
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=image,
        hyperparameters=hyperparameters,
        compute=Compute(instance_type="ml.m5.large", instance_count=instances, volume_size_in_gb=5),
        base_job_name=f"{name}-{algorithm}",
    )
    channels = ("train", "validation") if algorithm != "kmeans" else ("train",)
    source = S3DataSource(s3_data_type="S3Prefix", s3_uri=uri, s3_data_distribution_type="ShardedByS3Key")
    inputs = [InputData(channel_name=each, data_source=source, content_type=content_type) for each in channels]
    trainer.train(input_data_config=inputs, wait=False)
    job = trainer._latest_training_job
    while job.refresh().training_job_status == "InProgress":
        time.sleep(0.2)
    assert job.training_job_status == "Completed", job.failure_reason
    metrics = {each.metric_name: each.value for each in job.final_metric_data_list}
    return image, job.model_artifacts.s3_model_artifacts, metrics


def served(algorithm, image, artifact, body, content_type, accept="application/json"):
    """Deploy, ask and delete; the answer."""
    called = f"{name}-{algorithm}"
    model = Model.create(
        model_name=called,
        primary_container=ContainerDefinition(image=image, model_data_url=artifact),
        execution_role_arn=role,
    )
    config = EndpointConfig.create(
        endpoint_config_name=called,
        production_variants=[
            ProductionVariant(
                variant_name="all", model_name=called, initial_instance_count=1, instance_type="ml.m5.large"
            )
        ],
    )
    endpoint = Endpoint.create(endpoint_name=called, endpoint_config_name=called)
    endpoint.wait_for_status("InService", poll=1)
    answer = endpoint.invoke(body=body, content_type=content_type, accept=accept).body.read().decode()
    for each in (endpoint, config, model):
        each.delete()
    return answer


@step
def kmeans():
    lines = [f"{choose.gauss(centre, 0.5)},{choose.gauss(centre, 0.5)}" for centre in (0, 9) for _ in range(100)]
    given = {"k": "2", "feature_dim": "2"}
    # Neither instance has rows of both groups.
    image, artifact, metrics = trained("kmeans", None, given, "text/csv;label_size=0", lines, instances=2)
    answer = served("kmeans", image, artifact, "0,0\n9,9", "text/csv")
    return {"metrics": metrics, "answer": json.loads(answer)}


@step
def xgboost():
    rows = [(choose.gauss(0, 1), choose.gauss(0, 1)) for _ in range(300)]
    lines = [f"{int(a + b > 0)},{a},{b}" for a, b in rows]
    given = {"objective": "binary:logistic", "num_round": "20", "eval_metric": "auc"}
    image, artifact, metrics = trained("xgboost", "1.7-1", given, "text/csv", lines)
    answer = served("xgboost", image, artifact, "1,1\n-1,-1", "text/csv", "text/csv")
    return {"metrics": metrics, "answer": [float(each) for each in answer.split(",")]}


@step
def blazingtext():
    lines = ["__label__good what a wonderful film", "__label__bad what a dreadful film"] * 100
    given = {"mode": "supervised", "epochs": "10", "min_count": "1", "vector_dim": "10"}
    image, artifact, metrics = trained("blazingtext", None, given, "text/plain", lines)
    body = json.dumps({"instances": ["a wonderful film"]})
    answer = served("blazingtext", image, artifact, body, "application/json")
    return {"metrics": metrics, "answer": json.loads(answer)}


take()
