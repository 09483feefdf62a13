"""Training and endpoints with the SageMaker SDK v3, beyond the quickstart."""

import io
import json
import os
import tarfile
import time
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TrainingJob
from sagemaker.core.shapes import MetricDefinition, StoppingCondition, Tag
from sagemaker.core.training.configs import Compute, InputData, Networking, OutputDataConfig, SourceCode
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from steps import refusal, step, take

HERE = Path(__file__).parent
# SDK v3 does not encode strings: AWS's pattern for hyperparameters takes no newline, the SDK's own launcher no quote.
WORDS = 'a "quoted" $HOME `id` \N{SNOWMAN} \\ end'
session = Session()
s3 = boto3.client("s3")
role = get_execution_role(session)
image = image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1")
bucket = session.default_bucket()
name = f"v3-{os.getpid()}"
prefix = f"s3://{bucket}/{name}"
jobs = {}


def trainer(base, **options):
    options.setdefault("source_code", SourceCode(source_dir=str(HERE / "trainer"), entry_script="train.py"))
    return ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=image,
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
        base_job_name=f"{name}-{base}",
        **options,
    )


def ended(job):
    while job.refresh().training_job_status in ("InProgress", "Stopping"):
        time.sleep(0.2)
    return job


def read(uri):
    place, _, key = uri.removeprefix("s3://").partition("/")
    return s3.get_object(Bucket=place, Key=key)["Body"].read()


def artifact(job):
    with tarfile.open(fileobj=io.BytesIO(read(job.model_artifacts.s3_model_artifacts))) as tar:
        return json.load(tar.extractfile("seen.json"))


@step
def start_jobs():
    local = Path("rows")
    local.mkdir()
    (local / "rows.csv").write_text("1,2\n")
    s3.put_object(Bucket=bucket, Key=f"{name}/in/other.csv", Body=b"3,4\n")
    rich = trainer(
        "rich",
        source_code=SourceCode(
            source_dir=str(HERE / "trainer"), entry_script="train.py", requirements="requirements.txt"
        ),
        hyperparameters={
            "depth": 5,
            "rate": 0.125,
            "words": WORDS,
            "flag": True,
            "layers": [1, "two"],
            "nested": {"x": [1]},
        },
        environment={"COLOUR": "blue"},
        stopping_condition=StoppingCondition(max_runtime_in_seconds=1234),
        output_data_config=OutputDataConfig(s3_output_path=f"{prefix}/out", compression_type="GZIP"),
        tags=[Tag(key="team", value="red")],
    ).with_metric_definitions([MetricDefinition(name="loss", regex="loss=(.*?);")])
    rich.train(
        input_data_config=[
            InputData(channel_name="local", data_source=str(local)),
            InputData(channel_name="train", data_source=f"{prefix}/in/", content_type="text/csv"),
        ],
        wait=False,
    )
    jobs["rich"] = rich._latest_training_job
    filed = trainer("filed", hyperparameters=str(HERE / "trainer" / "hyperparameters.json"))
    filed.train(wait=False)
    jobs["filed"] = filed._latest_training_job
    command = trainer(
        "command",
        source_code=SourceCode(
            source_dir=str(HERE / "trainer"),
            command="ls && python train.py --depth 3 && echo $COLOUR > $SM_MODEL_DIR/colour",
        ),
        environment={"COLOUR": "green"},
        networking=Networking(enable_network_isolation=True),
    )
    command.train(wait=False)
    jobs["command"] = command._latest_training_job
    return {key: job.training_job_name for key, job in jobs.items()}


@step
def a_rich_job():
    job = jobs["rich"]
    job.wait(poll=1, logs=True)
    job = TrainingJob.get(job.training_job_name)
    tags = boto3.client("sagemaker").list_tags(ResourceArn=job.training_job_arn)["Tags"]
    return {
        "seen": artifact(job),
        "status": job.training_job_status,
        "artifact": job.model_artifacts.s3_model_artifacts.removeprefix(prefix),
        "max_runtime": job.stopping_condition.max_runtime_in_seconds,
        "environment": job.environment,
        "tags": [tag for tag in tags if tag["Key"] == "team"],
        "metrics": {each.metric_name: each.value for each in job.final_metric_data_list},
        "volume": job.resource_config.volume_size_in_gb,
    }


@step
def hyperparameters_of_a_file():
    return {"seen": artifact(ended(jobs["filed"]))}


@step
def a_command():
    job = ended(jobs["command"])
    return {
        "status": job.training_job_status,
        "reason": str(getattr(job, "failure_reason", "")),
        "seen": artifact(job),
        "isolated": job.enable_network_isolation,
    }


@step
def a_failing_job():
    failing = trainer("failing", environment={"FAIL": "1"})
    seen = {}
    with refusal(seen):
        failing.train(wait=True, logs=False)
    seen["reason"] = failing._latest_training_job.refresh().failure_reason
    return seen


@step
def a_failing_command():
    failing = trainer("failing-command", source_code=SourceCode(command="echo going on && cat /no/such/file"))
    failing.train(wait=False)
    job = ended(failing._latest_training_job)
    return {"status": job.training_job_status, "reason": job.failure_reason}


@step
def a_stopped_job():
    stopping = trainer("stopping", source_code=SourceCode(command="sleep 600"))
    stopping.train(wait=False)
    job = stopping._latest_training_job
    while job.refresh().secondary_status != "Training":
        time.sleep(0.1)
    job.stop()
    seen = {"status": ended(job).training_job_status, "absent": {}}
    with refusal(seen["absent"]):
        TrainingJob.get("no-such-job")
    return seen


@step
def lists():
    found = TrainingJob.get_all(name_contains=name, sort_by="CreationTime", sort_order="Ascending")
    completed = TrainingJob.get_all(name_contains=name, status_equals="Completed")
    return {
        "jobs": [job.training_job_name for job in found],
        "completed": len(list(completed)),
    }


def model_data(weight, code=None):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("weight.txt")
        member.size = len(str(weight))
        tar.addfile(member, io.BytesIO(str(weight).encode()))
        if code is not None:
            tar.add(code, "code", filter=lambda each: None if "__pycache__" in each.name else each)
    key = f"{name}/weight-{weight}/model.tar.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    return f"s3://{bucket}/{key}"


def served(builder, called):
    """Deploy, invoke and delete; what was seen."""
    model = builder.build(model_name=called)
    endpoint = builder.deploy(endpoint_name=called, initial_instance_count=1, wait=False)
    endpoint = Endpoint.get(called)
    endpoint.wait_for_status("InService", poll=1)

    def answer(body):
        given = endpoint.invoke(body=json.dumps(body), content_type="application/json", accept="application/json")
        return [given.invoked_production_variant, json.loads(given.body.read())]

    seen = {
        "status": endpoint.refresh().endpoint_status,
        "answer": answer([1, [2]]),
        "where": answer("where")[1],
        "container": Model.get(called).primary_container.environment,
        "listed": [each.endpoint_name for each in Endpoint.get_all(name_contains=called)],
        "fails": {},
    }
    with refusal(seen["fails"]):
        answer("fail")
    config = EndpointConfig.get(endpoint.endpoint_config_name)
    endpoint.delete()
    endpoint.wait_for_delete(poll=1)
    config.delete()
    model.delete()
    seen["after"] = [each.endpoint_name for each in Endpoint.get_all(name_contains=called)]
    seen["models"] = [each.model_name for each in Model.get_all(name_contains=called)]
    return seen


@step
def a_builder_with_source_code():
    builder = ModelBuilder(
        s3_model_data_url=model_data(2),
        image_uri=image,
        source_code=SourceCode(source_dir=str(HERE / "serving"), entry_script="inference.py"),
        role_arn=role,
        instance_type="ml.m5.large",
        env_vars={"COLOUR": "blue"},
        sagemaker_session=session,
    )
    return served(builder, f"{name}-source")


@step
def a_builder_of_a_packed_model():
    builder = ModelBuilder(
        s3_model_data_url=model_data(3, HERE / "serving"),
        image_uri=image,
        env_vars={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
        role_arn=role,
        instance_type="ml.m5.large",
        sagemaker_session=session,
    )
    return served(builder, f"{name}-packed")


take()
