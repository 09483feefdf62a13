"""A pipeline with the SageMaker SDK v3: the steps that v2 has not, and those that are made in another way."""

import json
import os
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.resources import FeatureGroup, FeatureMetadata
from sagemaker.core.resources import Pipeline as PipelineResource
from sagemaker.core.shapes import (
    FeatureDefinition,
    FeatureParameter,
    OnlineStoreConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.core.workflow.conditions import ConditionGreaterThan
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
from sagemaker.mlops.workflow.cleanup_step import CleanupStep, S3CleanupSource
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.emr_serverless_step import EMRServerlessJobConfig, EMRServerlessStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.for_each_step import CurrentItem, ForEachStep
from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.step_dependency import StepDependency, TriggerCondition
from sagemaker.mlops.workflow.steps import ProcessingStep, TrainingStep
from sagemaker.train import ModelTrainer
from steps import step, take

session = PipelineSession()
client = boto3.client("sagemaker")
role = get_execution_role(session)
image = image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1")
NAME = f"v3-steps-{os.getpid()}"
prefix = f"s3://{session.default_bucket()}/{NAME}"
Path("source").mkdir(exist_ok=True)
Path("source/script.py").write_text("print('hello')\n", encoding="utf-8")

threshold = ParameterFloat(name="Threshold", default_value=0.8)
items = ParameterString(name="Items", default_value='["a", "b"]')


class Function:
    """A function that is there; the SDK's own class would make a client of Lambda."""

    function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    zipped_code_dir = None
    script = None


def processing():
    processor = ScriptProcessor(
        image_uri=image,
        command=["python3"],
        instance_type="ml.m5.large",
        instance_count=1,
        role=role,
        sagemaker_session=session,
    )
    raw = ProcessingS3Input(
        s3_uri=f"{prefix}/raw", local_path="/opt/ml/processing/input", s3_data_type="S3Prefix", s3_input_mode="File"
    )
    outputs = [
        ProcessingOutput(
            output_name=name,
            s3_output=ProcessingS3Output(
                s3_uri=f"{prefix}/{name}", local_path=f"/opt/ml/processing/{name}", s3_upload_mode="EndOfJob"
            ),
        )
        for name in ("train", "report")
    ]
    report = PropertyFile(name="Report", output_name="report", path="report.json")
    arguments = processor.run(
        code="source/script.py", inputs=[ProcessingInput(input_name="raw", s3_input=raw)], outputs=outputs
    )
    return ProcessingStep(name="Process", step_args=arguments, property_files=[report]), report


def training(process):
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=image,
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
        source_code=SourceCode(source_dir="source", entry_script="script.py"),
        hyperparameters={"threshold": threshold},
    )
    data = process.properties.ProcessingOutputConfig.Outputs["train"].S3Output.S3Uri
    return TrainingStep(
        name="Train", step_args=trainer.train(input_data_config=[InputData(channel_name="train", data_source=data)])
    )


def called(name, **options):
    outputs = [LambdaOutput(output_name="answer", output_type=LambdaOutputTypeEnum.String)]
    return LambdaStep(name=name, lambda_func=Function(), outputs=outputs, **options)


def steps():
    process, report = processing()
    train = training(process)
    each = called("Each", inputs={"item": CurrentItem()})
    repeat = ForEachStep(name="Repeat", iterable_items=items, max_concurrency=2, for_each_body=[each])
    spark = EMRServerlessStep(
        name="Spark",
        display_name="Spark",
        description="without servers",
        application_id="application",
        job_config=EMRServerlessJobConfig(
            job_driver={"sparkSubmit": {"entryPoint": f"{prefix}/job.py"}}, execution_role_arn=role
        ),
    )
    ask = CallbackStep(
        name="Ask",
        sqs_queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/questions",
        inputs={"model": train.properties.ModelArtifacts.S3ModelArtifacts, "status": repeat.properties.Status},
        outputs=[CallbackOutput(output_name="yes", output_type=CallbackOutputTypeEnum.Boolean)],
    )
    alarm = called("Alarm", inputs={}, depends_on=[StepDependency(train, TriggerCondition.FAILED)])
    stop = FailStep(name="Stop", error_message=Join(on=" ", values=["below", threshold]))
    auc = JsonGet(step_name="Process", property_file=report, json_path="auc")
    decide = ConditionStep(
        name="Decide", conditions=[ConditionGreaterThan(left=auc, right=threshold)], if_steps=[ask], else_steps=[stop]
    )
    tidy = CleanupStep(name="Tidy", s3_sources=[S3CleanupSource(step=train)], depends_on=[decide])
    return [process, train, repeat, spark, alarm, decide, tidy]


@step
def upsert():
    pipeline = Pipeline(name=NAME, parameters=[threshold, items], steps=steps(), sagemaker_session=session)
    made = pipeline.upsert(role, "first")
    pipeline.upsert(role, "second")
    definition = json.loads(pipeline.describe()["PipelineDefinition"])
    resource = PipelineResource.get(NAME)
    listed = [each.pipeline_name for each in PipelineResource.get_all(pipeline_name_prefix=NAME)]
    seen = {
        "arn": made["PipelineArn"],
        "types": sorted(each["Type"] for each in definition["Steps"]),
        "waits": next(each["DependsOn"] for each in definition["Steps"] if each["Name"] == "Alarm"),
        "described": [resource.pipeline_arn, resource.pipeline_status, resource.pipeline_description],
        "listed": listed,
    }
    pipeline.delete()
    return seen


@step
def feature_groups():
    group = FeatureGroup.create(
        feature_group_name=NAME,
        record_identifier_feature_name="id",
        event_time_feature_name="time",
        feature_definitions=[
            FeatureDefinition(feature_name="id", feature_type="Integral"),
            FeatureDefinition(feature_name="time", feature_type="String"),
        ],
        online_store_config=OnlineStoreConfig(enable_online_store=True),
    )
    group.wait_for_status("Created")
    group.update(feature_additions=[FeatureDefinition(feature_name="amount", feature_type="Fractional")])
    metadata = FeatureMetadata.get(feature_group_name=NAME, feature_name="amount")
    metadata.update(description="net", parameter_additions=[FeatureParameter(key="unit", value="EUR")])
    metadata.refresh()
    seen = {
        "status": group.refresh().feature_group_status,
        "features": [each.feature_name for each in group.feature_definitions],
        "metadata": [metadata.description, metadata.parameters[0].value],
        "listed": [each.feature_group_name for each in FeatureGroup.get_all(name_contains=NAME)],
    }
    group.delete()
    return seen


take()
