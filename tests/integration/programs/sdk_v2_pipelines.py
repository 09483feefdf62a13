"""A pipeline of every type of steps with the SageMaker SDK v2."""

import json
import os
from pathlib import Path

import sagemaker
from sagemaker.automl.automl import AutoML, AutoMLInput
from sagemaker.clarify import BiasConfig, DataConfig
from sagemaker.drift_check_baselines import DriftCheckBaselines
from sagemaker.inputs import TrainingInput
from sagemaker.lambda_helper import Lambda
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.model_monitor.dataset_format import DatasetFormat
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.s3 import S3Downloader
from sagemaker.sklearn import SKLearn, SKLearnProcessor
from sagemaker.transformer import Transformer
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner
from sagemaker.workflow.automl_step import AutoMLStep
from sagemaker.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
from sagemaker.workflow.check_job_config import CheckJobConfig
from sagemaker.workflow.clarify_check_step import ClarifyCheckStep, DataBiasCheckConfig
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import (
    ConditionEquals,
    ConditionGreaterThanOrEqualTo,
    ConditionIn,
    ConditionNot,
    ConditionOr,
)
from sagemaker.workflow.emr_step import EMRStep, EMRStepConfig
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.monitor_batch_transform_step import MonitorBatchTransformStep
from sagemaker.workflow.notebook_job_step import NotebookJobStep
from sagemaker.workflow.parallelism_config import ParallelismConfiguration
from sagemaker.workflow.parameters import ParameterBoolean, ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.quality_check_step import DataQualityCheckConfig, QualityCheckStep
from sagemaker.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep, TransformStep, TuningStep
from steps import refusal, step, take

session = PipelineSession()
client = session.sagemaker_client
role = sagemaker.get_execution_role()
NAME = f"every-step-{os.getpid()}"
prefix = f"s3://{session.default_bucket()}/{NAME}"
Path("script.py").write_text("print('hello')\n", encoding="utf-8")
Path("notebook.ipynb").write_text(
    json.dumps({"cells": [], "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}),
    encoding="utf-8",
)

instance = ParameterString("Instance", default_value="ml.m5.large", enum_values=["ml.m5.large", "ml.c5.xlarge"])
count = ParameterInteger("Count", default_value=1)
threshold = ParameterFloat("Threshold", default_value=0.8)
quick = ParameterBoolean("Quick", default_value=False)
cache = CacheConfig(enable_caching=True, expire_after="P1D")
retries = [
    StepRetryPolicy(exception_types=[StepExceptionTypeEnum.THROTTLING], max_attempts=3),
    SageMakerJobStepRetryPolicy(exception_types=[SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT], expire_after_mins=60),
]
check_job = CheckJobConfig(role=role, instance_type="ml.m5.large", sagemaker_session=session)
quality = DataQualityCheckConfig(
    baseline_dataset=f"{prefix}/baseline.csv",
    dataset_format=DatasetFormat.csv(header=True),
    output_s3_uri=f"{prefix}/quality",
)


def processing():
    processor = SKLearnProcessor(
        framework_version="1.2-1",
        role=role,
        instance_type=instance,
        instance_count=count,
        sagemaker_session=session,
    )
    report = PropertyFile(name="Report", output_name="report", path="report.json")
    arguments = processor.run(
        code="script.py",
        inputs=[ProcessingInput(source=f"{prefix}/raw", destination="/opt/ml/processing/input")],
        outputs=[
            ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
            ProcessingOutput(output_name="report", source="/opt/ml/processing/report"),
        ],
        arguments=["--day", ExecutionVariables.START_DATETIME, "--threshold", threshold.to_string()],
    )
    made = ProcessingStep(
        name="Process", step_args=arguments, property_files=[report], cache_config=cache, retry_policies=retries
    )
    return made, report


def estimator():
    return SKLearn(
        entry_point="script.py",
        framework_version="1.2-1",
        role=role,
        instance_type=instance,
        output_path=Join(on="/", values=[prefix, ExecutionVariables.PIPELINE_EXECUTION_ID]),
        hyperparameters={"threshold": threshold, "quick": quick, "depth": 3},
        sagemaker_session=session,
        metric_definitions=[{"Name": "auc", "Regex": "auc=(.*?);"}],
    )


def steps():
    process, report = processing()
    data = TrainingInput(process.properties.ProcessingOutputConfig.Outputs["train"].S3Output.S3Uri)
    train = TrainingStep(name="Train", step_args=estimator().fit({"train": data}), retry_policies=retries)
    tune = TuningStep(
        name="Tune",
        step_args=HyperparameterTuner(
            estimator=estimator(),
            objective_metric_name="auc",
            hyperparameter_ranges={"rate": ContinuousParameter(0.1, 0.9)},
            metric_definitions=[{"Name": "auc", "Regex": "auc=(.*?);"}],
            max_jobs=4,
            max_parallel_jobs=2,
        ).fit({"train": data}),
    )
    automl = AutoMLStep(
        name="Search",
        step_args=AutoML(
            role=role,
            target_attribute_name="y",
            mode="ENSEMBLING",
            auto_generate_endpoint_name=False,
            sagemaker_session=session,
        ).fit(inputs=[AutoMLInput(inputs=f"{prefix}/train.csv", target_attribute_name="y", channel_type="training")]),
    )
    quality_step = QualityCheckStep(
        name="Quality",
        quality_check_config=quality,
        check_job_config=check_job,
        skip_check=False,
        register_new_baseline=quick,
        model_package_group_name="group",
    )
    bias = ClarifyCheckStep(
        name="Bias",
        clarify_check_config=DataBiasCheckConfig(
            data_config=DataConfig(
                s3_data_input_path=f"{prefix}/baseline.csv",
                s3_output_path=f"{prefix}/bias",
                label="y",
                headers=["y", "x"],
                dataset_type="text/csv",
            ),
            data_bias_config=BiasConfig(label_values_or_threshold=[1], facet_name="x"),
        ),
        check_job_config=check_job,
        skip_check=True,
        model_package_group_name="group",
    )
    image = estimator().training_image_uri()
    model = Model(
        image_uri=image,
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
        role=role,
        sagemaker_session=session,
    )
    create = ModelStep(name="Create", step_args=model.create(instance_type="ml.m5.large"))
    best = Model(
        image_uri=image,
        model_data=tune.get_top_model_s3_uri(0, session.default_bucket(), NAME),
        role=role,
        sagemaker_session=session,
    )
    metrics = ModelMetrics(
        model_data_statistics=MetricsSource(
            s3_uri=quality_step.properties.CalculatedBaselineStatistics, content_type="application/json"
        ),
        bias_pre_training=MetricsSource(
            s3_uri=bias.properties.CalculatedBaselineConstraints, content_type="application/json"
        ),
    )
    baselines = DriftCheckBaselines(
        model_data_statistics=MetricsSource(
            s3_uri=quality_step.properties.BaselineUsedForDriftCheckStatistics, content_type="application/json"
        )
    )
    register = ModelStep(
        name="Register",
        step_args=best.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.m5.large"],
            transform_instances=["ml.m5.large"],
            model_package_group_name="group",
            model_metrics=metrics,
            drift_check_baselines=baselines,
        ),
    )
    transformer = Transformer(
        model_name=create.properties.ModelName,
        instance_type="ml.m5.large",
        instance_count=1,
        output_path=f"{prefix}/transformed",
        sagemaker_session=session,
    )
    transform = TransformStep(name="Transform", step_args=transformer.transform(f"{prefix}/batch", "S3Prefix"))
    monitored = MonitorBatchTransformStep(
        name="Monitored",
        transform_step_args=transformer.transform(f"{prefix}/batch", "S3Prefix"),
        monitor_configuration=quality,
        check_job_configuration=check_job,
        monitor_before_transform=False,
    )
    answer = LambdaOutput(output_name="answer", output_type=LambdaOutputTypeEnum.String)
    notify = LambdaStep(
        name="Notify",
        lambda_func=Lambda(function_arn="arn:aws:lambda:us-east-1:123456789012:function:notify", session=session),
        inputs={"model": create.properties.ModelName, "job": train.properties.TrainingJobName},
        outputs=[answer],
    )
    ask = CallbackStep(
        name="Ask",
        sqs_queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/questions",
        inputs={"answer": notify.properties.Outputs["answer"]},
        outputs=[CallbackOutput(output_name="yes", output_type=CallbackOutputTypeEnum.Boolean)],
    )
    emr = EMRStep(
        name="Spark",
        display_name="Spark",
        description="on a cluster of its own",
        cluster_id=None,
        cluster_config={
            "Instances": {
                "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceCount": 1, "InstanceType": "m5.large"}]
            }
        },
        step_config=EMRStepConfig(jar="s3://jars/job.jar", args=["--in", f"{prefix}/raw"], main_class="Job"),
    )
    notebook = NotebookJobStep(
        name="Notebook",
        input_notebook="notebook.ipynb",
        image_uri=image,
        kernel_name="python3",
        role=role,
        s3_root_uri=prefix,
        instance_type="ml.m5.large",
    )
    stop = FailStep(name="Stop", error_message=Join(on=" ", values=["below", threshold]), depends_on=[emr])
    auc = JsonGet(step_name=process.name, property_file=report, json_path="metrics.auc")
    decide = ConditionStep(
        name="Decide",
        conditions=[
            ConditionGreaterThanOrEqualTo(left=auc, right=threshold),
            ConditionOr([ConditionEquals(left=quick, right=True), ConditionIn(value=instance, in_values=["a", "b"])]),
            ConditionNot(
                ConditionEquals(left=automl.properties.BestCandidateProperties.ModelInsightsJsonReportPath, right="")
            ),
        ],
        if_steps=[create, transform, register, notify, ask, monitored],
        else_steps=[stop],
    )
    return [process, train, tune, automl, quality_step, bias, emr, notebook, decide]


@step
def upsert_every_step():
    pipeline = Pipeline(
        name=NAME, parameters=[instance, count, threshold, quick], steps=steps(), sagemaker_session=session
    )
    tags = [{"Key": "team", "Value": "red"}]
    made = pipeline.upsert(role, "first", tags=tags, parallelism_config=ParallelismConfiguration(2))
    again = pipeline.upsert(role, "second", tags=[{"Key": "stage", "Value": "test"}])
    described = pipeline.describe()
    definition = json.loads(described["PipelineDefinition"])
    inner = [
        each
        for outer in definition["Steps"]
        if outer["Type"] == "Condition"
        for branch in ("IfSteps", "ElseSteps")
        for each in outer["Arguments"][branch]
    ]
    return {
        "arn": made["PipelineArn"],
        "again": again["PipelineArn"],
        "description": described["PipelineDescription"],
        "types": sorted({each["Type"] for each in [*definition["Steps"], *inner]}),
        "tags": client.list_tags(ResourceArn=made["PipelineArn"])["Tags"],
        "executions": pipeline.list_executions()["PipelineExecutionSummaries"],
        "versions": [
            version["PipelineVersionId"] for version in pipeline.list_pipeline_versions()["PipelineVersionSummaries"]
        ],
    }


@step
def a_large_definition_goes_through_s3():
    long = "x" * 120_000
    stop = FailStep(name="Stop", error_message=long)
    pipeline = Pipeline(name=f"{NAME}-large", steps=[stop], sagemaker_session=session)
    pipeline.create(role)
    described = pipeline.describe()
    (kept,) = S3Downloader.list(f"s3://{session.default_bucket()}/{NAME}-large", sagemaker_session=session)
    return {"length": len(described["PipelineDefinition"]), "object": kept.rsplit("/", 1)[-1]}


@step
def what_cannot_be_read_is_refused():
    seen = {}
    for key, body in {"missing": None, "huge": b"x" * (1 << 21), "binary": b"\xff\xfe"}.items():
        if body is not None:
            session.boto_session.client("s3").put_object(
                Bucket=session.default_bucket(), Key=f"{NAME}/{key}", Body=body
            )
        location = {"Bucket": session.default_bucket(), "ObjectKey": f"{NAME}/{key}"}
        seen[key] = {}
        with refusal(seen[key]):
            client.create_pipeline(
                PipelineName="p", RoleArn=role, ClientRequestToken="t" * 32, PipelineDefinitionS3Location=location
            )
    return seen


@step
def delete_and_start():
    pipeline = Pipeline(name=NAME, steps=[], sagemaker_session=session)
    started = {}
    with refusal(started):
        pipeline.start()
    pipeline.delete()
    gone = {}
    with refusal(gone):
        pipeline.describe()
    return {"started": started, "gone": gone}


take()
