"""Models, endpoints, and the jobs that make, watch and try them: what the SDK v3 is given, in order."""

import io
import tarfile
import time
from collections.abc import Mapping
from typing import Any

import boto3
from life import BUCKET, DAY, IMAGE, NAME, ROLE, TOMORROW, Life, Of, client


def _rows() -> str:
    """Objects to transform, so many that the job is under way for a while."""
    s3 = boto3.client("s3")
    for number in range(300):
        s3.put_object(Bucket=BUCKET, Key=f"rows/{number}", Body=b"1,2")
    return f"s3://{BUCKET}/rows/"


def _packed() -> str:
    """A model that answers what it is asked, in S3."""
    script = b"def model_fn(d): pass\ndef transform_fn(m, b, c, a): return b, a\n"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(script)
        tar.addfile(member, io.BytesIO(script))
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive.getvalue())
    return f"s3://{BUCKET}/model.tar.gz"


def _hosting() -> str:
    """An endpoint whose instances hold inference components."""
    name = f"{NAME}-hosts"
    variant = {"VariantName": "hosts", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName=name, ExecutionRoleArn=ROLE, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})
    return name


def _in_experiment(name: str) -> dict[str, Any]:
    """A variant of an inference experiment."""
    return {
        "model_name": Of("Model", "model_name"),
        "variant_name": name,
        "infrastructure_config": {
            "infrastructure_type": "RealTimeInference",
            "real_time_inference_config": {"instance_type": "ml.m5.large", "instance_count": 1},
        },
    }


def _stopped_experiment() -> None:
    client.stop_inference_experiment(Name=NAME, ModelVariantActions={"only": "Retain", "shadow": "Remove"})
    while client.describe_inference_experiment(Name=NAME)["Status"] != "Completed":
        time.sleep(0.2)


def _definition(of: str, specification: Mapping[str, Any], **truth: Any) -> Life:
    """A monitoring job definition; the four have their members' names from what they look at."""
    return Life(
        "".join(word.title() for word in of.split("_")) + "JobDefinition",
        {
            "job_definition_name": NAME,
            f"{of}_app_specification": specification,
            f"{of}_job_input": {
                "endpoint_input": {"endpoint_name": Of("Endpoint", "endpoint_name"), "local_path": "/opt/ml/input"},
                **truth,
            },
            f"{of}_job_output_config": {
                "monitoring_outputs": [{"s3_output": {"s3_uri": "s3://out", "local_path": "/opt/ml/output"}}]
            },
            "job_resources": {
                "cluster_config": {"instance_count": 1, "instance_type": "ml.m5.large", "volume_size_in_gb": 10}
            },
            "role_arn": ROLE,
        },
        filters={"endpoint_name": (NAME, "absent")},
    )


_NO_PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/absent/1"
_TRUTH = {"ground_truth_s3_input": {"s3_uri": "s3://truth"}}
_CLARIFY = {"image_uri": "clarify", "config_uri": "s3://config"}
LIVES = (
    Life(
        "Model",
        {
            "model_name": NAME,
            "primary_container": {
                "image": IMAGE,
                "model_data_url": _packed,
                "environment": {
                    "SAGEMAKER_PROGRAM": "inference.py",
                    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                },
            },
            "execution_role_arn": ROLE,
        },
    ),
    Life(
        "EndpointConfig",
        {
            "endpoint_config_name": NAME,
            "production_variants": [
                {
                    "variant_name": "only",
                    "model_name": Of("Model", "model_name"),
                    "initial_instance_count": 1,
                    "instance_type": "ml.m5.large",
                }
            ],
        },
    ),
    Life(
        "Endpoint",
        {"endpoint_name": NAME, "endpoint_config_name": Of("EndpointConfig", "endpoint_config_name")},
        settled="InService",
        filters={"status_equals": ("InService", "Failed")},
        update={"retain_all_variant_properties": True},
        also={
            "update_weights_and_capacities": {
                "desired_weights_and_capacities": [{"variant_name": "only", "desired_weight": 2.0}]
            }
        },
    ),
    Life(
        "InferenceComponent",
        {
            "inference_component_name": NAME,
            "endpoint_name": _hosting,
            "variant_name": "hosts",
            "specification": {
                "model_name": Of("Model", "model_name"),
                "compute_resource_requirements": {
                    "number_of_cpu_cores_required": 0.5,
                    "min_memory_required_in_mb": 512,
                },
            },
            "runtime_config": {"copy_count": 1},
        },
        settled="InService",
        filters={
            "status_equals": ("InService", "Failed"),
            "endpoint_name_equals": (f"{NAME}-hosts", "absent"),
            "variant_name_equals": ("hosts", "absent"),
        },
        update={"runtime_config": {"copy_count": 2}},
        also={"update_runtime_configs": {"desired_runtime_config": {"copy_count": 1}}},
    ),
    Life(
        "InferenceRecommendationsJob",
        {
            "job_name": NAME,
            "job_type": "Default",
            "role_arn": ROLE,
            "input_config": {
                "model_name": Of("Model", "model_name"),
                "container_config": {
                    "payload_config": {
                        "sample_payload_url": f"s3://{BUCKET}/payload.tar.gz",
                        "supported_content_types": ["text/csv"],
                    },
                    "supported_instance_types": ["ml.m5.large"],
                },
            },
        },
        filters={
            "status_equals": (None, "FAILED"),
            "model_name_equals": (NAME, "absent"),
            "model_package_version_arn_equals": (None, _NO_PACKAGE),
        },
        also={"get_all_steps": {"step_type": "BENCHMARK"}, "stop": {}, "wait": {"poll": 1, "timeout": 120}},
    ),
    Life(
        "InferenceExperiment",
        {
            "name": NAME,
            "type": "ShadowMode",
            "schedule": {"start_time": TOMORROW, "end_time": TOMORROW + DAY},
            "role_arn": ROLE,
            "endpoint_name": Of("Endpoint", "endpoint_name"),
            "model_variants": [_in_experiment("only"), _in_experiment("shadow")],
            "shadow_mode_config": {
                "source_model_variant_name": "only",
                "shadow_model_variants": [{"shadow_model_variant_name": "shadow", "sampling_percentage": 50}],
            },
        },
        settled="Created",
        after={"start": "Running", "stop": "Running"},
        filters={"type": ("ShadowMode", None), "status_equals": ("Created", "Running")},
        update={"description": "another"},
        also={"start": {}, "stop": {}},
        ended=_stopped_experiment,
    ),
    _definition("data_quality", {"image_uri": "analyzer"}),
    _definition("model_quality", {"image_uri": "analyzer", "problem_type": "Regression"}, **_TRUTH),
    _definition("model_bias", _CLARIFY, **_TRUTH),
    _definition("model_explainability", _CLARIFY),
    Life(
        "TrainingJob",
        {
            "training_job_name": NAME,
            "role_arn": ROLE,
            "algorithm_specification": {
                "training_image": IMAGE,
                "training_input_mode": "File",
                # It ends by itself where it does not hear that it is to stop.
                "container_entrypoint": ["/bin/sleep", "10"],
            },
            "output_data_config": {"s3_output_path": f"s3://{BUCKET}/out"},
            "resource_config": {"instance_type": "ml.m5.large", "instance_count": 1, "volume_size_in_gb": 1},
            "stopping_condition": {"max_runtime_in_seconds": 600},
        },
        filters={
            "status_equals": ("InProgress", "Failed"),
            "warm_pool_status_equals": (None, "Available"),
            "training_plan_arn_equals": (None, "arn:aws:sagemaker:us-east-1:123456789012:training-plan/p"),
        },
        update={"profiler_config": {"s3_output_path": f"s3://{BUCKET}/profile"}},
        also={"stop": {}, "wait": {"poll": 1, "timeout": 60}},
    ),
    Life(
        "ProcessingJob",
        {
            "processing_job_name": NAME,
            "role_arn": ROLE,
            "app_specification": {"image_uri": IMAGE, "container_entrypoint": ["/bin/sleep", "10"]},
            "processing_resources": {
                "cluster_config": {"instance_count": 1, "instance_type": "ml.m5.large", "volume_size_in_gb": 1}
            },
        },
        filters={"status_equals": ("InProgress", "Failed")},
        also={"stop": {}, "wait": {"poll": 1, "timeout": 120}},
    ),
    Life(
        "TransformJob",
        {
            "transform_job_name": NAME,
            "model_name": Of("Model", "model_name"),
            "transform_input": {
                "data_source": {"s3_data_source": {"s3_data_type": "S3Prefix", "s3_uri": _rows}},
                "content_type": "text/csv",
            },
            "transform_output": {"s3_output_path": f"s3://{BUCKET}/transformed"},
            "transform_resources": {"instance_type": "ml.m5.large", "instance_count": 1},
        },
        filters={"status_equals": ("InProgress", "Failed")},
        also={"stop": {}, "wait": {"poll": 1, "timeout": 120}},
    ),
    Life(
        "HyperParameterTuningJob",
        {
            "hyper_parameter_tuning_job_name": NAME,
            "hyper_parameter_tuning_job_config": {
                "strategy": "Random",
                "resource_limits": {"max_number_of_training_jobs": 1, "max_parallel_training_jobs": 1},
                "hyper_parameter_tuning_job_objective": {"type": "Minimize", "metric_name": "loss"},
                "parameter_ranges": {
                    "continuous_parameter_ranges": [{"name": "rate", "min_value": "0.1", "max_value": "1"}]
                },
            },
            "training_job_definition": {
                "algorithm_specification": {
                    "training_image": IMAGE,
                    "training_input_mode": "File",
                    "metric_definitions": [{"name": "loss", "regex": "loss=([0-9.]+)"}],
                },
                "role_arn": ROLE,
                "output_data_config": {"s3_output_path": f"s3://{BUCKET}/out"},
                "resource_config": {"instance_type": "ml.m5.large", "instance_count": 1, "volume_size_in_gb": 1},
                "stopping_condition": {"max_runtime_in_seconds": 60},
            },
        },
        filters={"status_equals": ("InProgress", "Failed")},
        also={"get_all_training_jobs": {}, "stop": {}, "wait": {"poll": 1, "timeout": 120}},
    ),
)
