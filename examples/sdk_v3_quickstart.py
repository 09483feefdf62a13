"""The quickstart with the SageMaker Python SDK v3: ModelTrainer trains, ModelBuilder deploys."""

import json

import pandas as pd
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import EndpointConfig
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

session = Session()
role = get_execution_role(session)
image = image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1")
source = SourceCode(
    source_dir=".",
    entry_script="train.py",
    ignore_patterns=["data", "javascript", "__pycache__"],
)

trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image=image,
    source_code=source,
    compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
    base_job_name="v3-quickstart",
    hyperparameters={"max_depth": 5, "n_estimators": 100},
)
train_uri = session.upload_data("data/train.csv", key_prefix="v3-quickstart/train")
trainer.train(input_data_config=[InputData(channel_name="train", data_source=train_uri)])

builder = ModelBuilder(
    s3_model_data_url=trainer._latest_training_job.model_artifacts.s3_model_artifacts,
    image_uri=image,
    source_code=source,
    role_arn=role,
    instance_type="ml.m5.xlarge",
    sagemaker_session=session,
)
model = builder.build()
endpoint = builder.deploy(initial_instance_count=1)
try:
    test = pd.read_csv("data/test.csv")
    answer = endpoint.invoke(
        body=test.drop(columns="benign").to_csv(index=False, header=False),
        content_type="text/csv",
        accept="application/json",
    )
    predictions = json.loads(answer.body.read())
finally:
    config = EndpointConfig.get(endpoint_config_name=endpoint.endpoint_config_name)
    endpoint.delete()
    config.delete()
    model.delete()

print(f"score: {(predictions == test['benign'].values).mean():.4f}")
