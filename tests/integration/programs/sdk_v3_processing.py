"""Processing with the SageMaker SDK v3."""

import json
import os
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.resources import ProcessingJob
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
from steps import refusal, step, take

HERE = Path(__file__).parent / "processing"
session = Session()
s3 = boto3.client("s3")
bucket = session.default_bucket()
name = f"processing-v3-{os.getpid()}"
one = {
    "image_uri": image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1"),
    "role": get_execution_role(session),
    "instance_count": 1,
    "instance_type": "ml.m5.large",
    "sagemaker_session": session,
}


def read(key):
    return s3.get_object(Bucket=bucket, Key=f"{name}/{key}")["Body"].read().decode()


def rows():
    s3.put_object(Bucket=bucket, Key=f"{name}/in/rows.csv", Body=b"b\na\n")
    source = ProcessingS3Input(
        s3_uri=f"s3://{bucket}/{name}/in/rows.csv",
        local_path="/opt/ml/processing/input",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    )
    return ProcessingInput(input_name="rows", s3_input=source)


def output(folder, prefix):
    target = ProcessingS3Output(
        s3_uri=f"s3://{bucket}/{name}/{prefix}", local_path=f"/opt/ml/processing/{folder}", s3_upload_mode="EndOfJob"
    )
    return ProcessingOutput(output_name=folder, s3_output=target)


@step
def a_script_of_one_file():
    processor = ScriptProcessor(command=["python3"], base_job_name="alone", **one)
    processor.run(
        code=str(HERE / "alone.py"),
        inputs=[rows()],
        outputs=[output("train", "alone")],
        arguments=["--ratio", "0.2"],
        logs=True,
    )
    job = ProcessingJob.get(processor.latest_job.processing_job_name)
    return {"status": job.processing_job_status, "train": read("alone/rows.csv")}


@step
def a_folder_with_requirements():
    processor = FrameworkProcessor(command=["python3"], base_job_name="framework", env={"COLOUR": "blue"}, **one)
    processor.run(
        code="clean.py",
        source_dir=str(HERE),
        requirements="requirements.txt",
        inputs=[rows()],
        outputs=[output("train", "framework"), output("seen", "framework/seen")],
        arguments=["--ratio", "0.25"],
        logs=False,
    )
    job = ProcessingJob.get(processor.latest_job.processing_job_name)
    seen = json.loads(read("framework/seen/seen.json"))
    return {"seen": seen, "train": read("framework/rows.csv"), "message": job.exit_message}


@step
def a_script_that_fails():
    processor = ScriptProcessor(command=["python3"], base_job_name="failing", **one)
    processor.run(
        code=str(HERE / "alone.py"),
        inputs=[rows()],
        outputs=[output("train", "failing")],
        arguments=["fail"],
        # It would raise AttributeError: the SDK looks for its own exception in botocore.
        wait=False,
        logs=False,
    )
    seen = {}
    with refusal(seen):
        processor.latest_job.wait(poll=1)
    return seen


@step
def a_job_that_is_stopped():
    processor = ScriptProcessor(command=["sleep", "600"], base_job_name="stopped", **one)
    processor.run(code=str(HERE / "alone.py"), wait=False, logs=False)
    job = processor.latest_job
    job.stop()
    job.wait(poll=1)
    return job.refresh().processing_job_status


take()
