"""Processing with the SageMaker SDK v2."""

import json
import os
from pathlib import Path

import sagemaker
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingJob, ProcessingOutput, ScriptProcessor
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.sklearn import SKLearn, SKLearnProcessor
from sagemaker.spark.processing import PySparkProcessor
from steps import refusal, step, take

HERE = Path(__file__).parent / "processing"
session = sagemaker.Session()
client = session.sagemaker_client
role = sagemaker.get_execution_role()
prefix = f"s3://{session.default_bucket()}/processing-v2-{os.getpid()}"
one = {"role": role, "instance_count": 1, "instance_type": "ml.m5.large", "sagemaker_session": session}


def read(uri):
    return S3Downloader.read_file(uri, sagemaker_session=session)


def rows():
    S3Uploader.upload_string_as_file_body("b\na\n", f"{prefix}/in/rows.csv", sagemaker_session=session)
    return ProcessingInput(source=f"{prefix}/in/rows.csv", destination="/opt/ml/processing/input")


@step
def a_script_of_one_file():
    processor = SKLearnProcessor(framework_version="1.2-1", base_job_name="alone", **one)
    train = ProcessingOutput(output_name="train", source="/opt/ml/processing/train")
    processor.run(
        code=str(HERE / "alone.py"), inputs=[rows()], outputs=[train], arguments=["--ratio", "0.2"], logs=True
    )
    job = processor.latest_job
    described = job.describe()
    attached = ProcessingJob.from_processing_name(session, job.job_name)
    return {
        "status": described["ProcessingJobStatus"],
        "train": read(f"{job.outputs[0].destination}/rows.csv"),
        "attached": attached.outputs[0].destination == job.outputs[0].destination,
        "inputs": [each["InputName"] for each in described["ProcessingInputs"]],
    }


@step
def a_folder_with_requirements():
    processor = FrameworkProcessor(
        estimator_cls=SKLearn,
        framework_version="1.2-1",
        base_job_name="framework",
        env={"COLOUR": "blue"},
        tags=[{"Key": "team", "Value": "red"}],
        max_runtime_in_seconds=1234,
        **one,
    )
    outputs = [
        ProcessingOutput(
            output_name=name, source=f"/opt/ml/processing/{name}", destination=f"{prefix}/framework/{name}"
        )
        for name in ("train", "seen")
    ]
    processor.run(
        code="clean.py",
        source_dir=str(HERE),
        inputs=[rows()],
        outputs=outputs,
        arguments=["--ratio", "0.25"],
        logs=False,
    )
    described = processor.latest_job.describe()
    return {
        "seen": json.loads(read(f"{prefix}/framework/seen/seen.json")),
        "train": read(f"{prefix}/framework/train/rows.csv"),
        "message": described["ExitMessage"],
        "job": processor.latest_job.job_name,
        "max_runtime": described["StoppingCondition"]["MaxRuntimeInSeconds"],
        "tags": client.list_tags(ResourceArn=described["ProcessingJobArn"])["Tags"],
    }


@step
def a_script_that_fails():
    image = sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1")
    processor = ScriptProcessor(image_uri=image, command=["python3"], base_job_name="failing", **one)
    train = ProcessingOutput(source="/opt/ml/processing/train", destination=f"{prefix}/failing")
    seen = {}
    with refusal(seen):
        processor.run(code=str(HERE / "alone.py"), inputs=[rows()], outputs=[train], arguments=["fail"], logs=False)
    return seen | {"kept": read(f"{prefix}/failing/rows.csv")}


@step
def a_spark_application():
    S3Uploader.upload_string_as_file_body("one two\ntwo\n", f"{prefix}/spark/in/words.txt", sagemaker_session=session)
    processor = PySparkProcessor(framework_version="3.3", base_job_name="spark", **one)
    settings = {"spark.sql.shuffle.partitions": "3"}
    processor.run(
        submit_app=str(HERE / "spark_job.py"),
        submit_py_files=[str(HERE / "word_tools.py")],
        arguments=[f"{prefix}/spark/in/words.txt".replace("s3://", "s3a://"), f"{prefix}/spark/counted"],
        outputs=[ProcessingOutput(source="/opt/ml/processing/output", destination=f"{prefix}/spark/output")],
        configuration=[{"Classification": "spark-defaults", "Properties": settings}],
        spark_event_logs_s3_uri=f"{prefix}/spark/events",
        logs=True,
    )
    (counted,) = [each for each in S3Downloader.list(f"{prefix}/spark/counted") if each.endswith(".csv")]
    (words,) = [each for each in S3Downloader.list(f"{prefix}/spark/output") if each.endswith(".json")]
    events = S3Downloader.list(f"{prefix}/spark/events")
    return {
        "counted": read(counted).split(),
        "words": [json.loads(line) for line in read(words).splitlines()],
        "events": [each.rsplit("/", 1)[1] for each in events],
        "event": json.loads(read(events[0]).splitlines()[0])["Event"],
    }


take()
