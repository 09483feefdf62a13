"""What the resource classes of the SageMaker SDK v3 are given: one entry a class, what it needs before it."""

import base64
import datetime
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

NAME = f"walk-{os.getpid()}"
BUCKET = f"bucket-{NAME}"
ROLE = "arn:aws:iam::123456789012:role/SageMakerExecutionRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
CLUSTER = f"arn:aws:sagemaker:us-east-1:123456789012:cluster/{os.getpid():012}"
DAY = datetime.timedelta(days=1)
TOMORROW = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + DAY
client = boto3.client("sagemaker")


@dataclass(frozen=True)
class Of:
    """An attribute of a resource that an earlier entry made."""

    noun: str
    attribute: str


@dataclass(frozen=True)
class Life:
    """What the calls of one class are given, in the SDK's spelling. Their operations are told from its source.

    Attributes:
        given: of `create`.
        instead: says what `get` is given where there is no `create`, or the SDK's fails.
        settled: the status to wait for after each change.
        after: the same after one of `also`, where it is another.
        identity: argument of `get` → the attribute that has its value; the same name as far as nothing is said.
        filters: of `get_all`: argument → a value that finds the resource, one that does not; None where there is no
            such. Times and parts of names need not be said.
        listed: what `get_all` cannot do without.
        update: of `update`.
        delete: of `delete`.
        ended: ends it before it is deleted, where the SDK's own call fails.
        also: further methods → what they are given; called in their order before the resource is deleted.
    """

    noun: str
    given: Mapping[str, Any] = field(default_factory=dict)
    instead: Callable[[], dict[str, Any]] | None = None
    settled: str = ""
    after: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    listed: Mapping[str, Any] = field(default_factory=dict)
    update: Mapping[str, Any] = field(default_factory=dict)
    delete: Mapping[str, Any] = field(default_factory=dict)
    ended: Callable[[], object] | None = None
    also: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


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


def _package() -> dict[str, Any]:
    (package,) = client.list_model_packages(ModelPackageGroupName=NAME)["ModelPackageSummaryList"]
    return {"model_package_name": package["ModelPackageArn"]}


def _content() -> dict[str, Any]:
    client.import_hub_content(
        HubName=NAME,
        HubContentName=NAME,
        HubContentType="Notebook",
        DocumentSchemaVersion="1.0.0",
        HubContentDocument="{}",
    )
    return {"hub_name": NAME, "hub_content_type": "Notebook", "hub_content_name": NAME}


def _device() -> dict[str, Any]:
    client.register_devices(DeviceFleetName=NAME, Devices=[{"DeviceName": NAME, "IotThingName": "thing"}])
    return {"device_name": NAME, "device_fleet_name": NAME}


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
_POOL = {"user_pool": "us-east-1_pool", "client_id": "client"}
_SOURCE = {"source_uri": "s3://bucket/walk"}
_BY_SOURCE = ("s3://bucket/walk", "s3://bucket/other")
_PIPELINE = {"Version": "2020-12-01", "Steps": [{"Name": "S", "Type": "Fail", "Arguments": {"ErrorMessage": "m"}}]}
_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sagemaker:Describe*", "Resource": "*"}],
}
_SCRIPT = base64.b64encode(b"true").decode()
_DEVICE = {"device_name": NAME, "device_fleet_name": NAME, "iot_thing_name": "thing"}
_STAGE = {
    "stage_name": "first",
    "device_selection_config": {"device_subset_type": "SELECTION", "device_names": [NAME]},
}
LIVES = (
    Life(
        "CodeRepository",
        {"code_repository_name": NAME, "git_config": {"repository_url": "https://github.com/a/b.git"}},
        update={"git_config": {"secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonSageMaker-a"}},
    ),
    Life(
        "StudioLifecycleConfig",
        {
            "studio_lifecycle_config_name": NAME,
            "studio_lifecycle_config_content": _SCRIPT,
            "studio_lifecycle_config_app_type": "JupyterLab",
        },
        filters={"app_type_equals": ("JupyterLab", "CodeEditor")},
    ),
    Life(
        "NotebookInstanceLifecycleConfig",
        {"notebook_instance_lifecycle_config_name": NAME, "on_create": [{"content": _SCRIPT}]},
        update={"on_start": [{"content": _SCRIPT}]},
    ),
    Life(
        "Image",
        {"image_name": NAME, "role_arn": ROLE, "description": "first"},
        filters={"sort_order": ("ASCENDING", None)},
        update={"description": "second", "display_name": "shown"},
    ),
    Life(
        "ImageVersion",
        {"image_name": Of("Image", "image_name"), "base_image": IMAGE, "client_token": NAME, "aliases": ["latest"]},
        instead=lambda: {"image_name": NAME},
        update={"version": 1, "release_notes": "notes", "processor": "CPU"},
        delete={"alias": "latest"},
    ),
    Life(
        "AppImageConfig",
        {"app_image_config_name": NAME, "kernel_gateway_image_config": {"kernel_specs": [{"name": "python3"}]}},
        update={"jupyter_lab_app_image_config": {"container_config": {"container_arguments": ["a"]}}},
    ),
    Life(
        "Domain",
        {"domain_name": NAME, "auth_mode": "IAM", "default_user_settings": {"execution_role": ROLE}},
        update={"app_network_access_type": "VpcOnly", "subnet_ids": ["subnet-1"], "vpc_id": "vpc-1"},
        delete={"retention_policy": {"home_efs_file_system": "Delete"}},
    ),
    Life(
        "UserProfile",
        {
            "domain_id": Of("Domain", "domain_id"),
            "user_profile_name": NAME,
            "user_settings": {"security_groups": ["sg-1"]},
        },
        filters={"domain_id_equals": (Of("Domain", "domain_id"), "d-other")},
        update={"user_settings": {"security_groups": ["sg-2"]}},
    ),
    Life(
        "Space",
        {
            "domain_id": Of("Domain", "domain_id"),
            "space_name": NAME,
            "ownership_settings": {"owner_user_profile_name": Of("UserProfile", "user_profile_name")},
            "space_sharing_settings": {"sharing_type": "Private"},
        },
        filters={"domain_id_equals": (Of("Domain", "domain_id"), "d-other")},
        update={"space_display_name": "shown"},
    ),
    Life("Project", {"project_name": NAME, "project_description": "first"}, update={"project_description": "second"}),
    Life("SagemakerServicecatalogPortfolio", also={"enable": {}, "get_status": {}, "disable": {}}),
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
    Life("Experiment", {"experiment_name": NAME, "description": "first"}, update={"description": "second"}),
    Life(
        "Trial",
        {"trial_name": NAME, "experiment_name": Of("Experiment", "experiment_name")},
        filters={"experiment_name": (NAME, "absent"), "trial_component_name": (None, "absent")},
        update={"display_name": "shown"},
    ),
    Life(
        "TrialComponent",
        {"trial_component_name": NAME, "parameters": {"rate": {"number_value": 0.5}}},
        filters={
            "experiment_name": (None, NAME),
            "trial_name": (None, NAME),
            "source_arn": (None, "arn:aws:sagemaker:us-east-1:123456789012:training-job/absent"),
        },
        update={"display_name": "shown"},
        also={
            "associate_trail": {"trial_name": NAME},
            "disassociate_trail": {"trial_name": NAME},
        },
    ),
    Life(
        "Artifact",
        {"artifact_name": NAME, "artifact_type": "DataSet", "source": _SOURCE, "properties": {"a": "1"}},
        filters={"source_uri": _BY_SOURCE, "artifact_type": ("DataSet", "Model")},
        update={"properties": {"a": "2"}},
    ),
    Life(
        "Action",
        {"action_name": NAME, "action_type": "Approval", "source": _SOURCE},
        filters={"source_uri": _BY_SOURCE, "action_type": ("Approval", "Other")},
        update={"description": "second", "status": "Completed"},
    ),
    Life(
        "Context",
        {"context_name": NAME, "context_type": "Endpoint", "source": _SOURCE},
        filters={"source_uri": _BY_SOURCE, "context_type": ("Endpoint", "Other")},
        update={"description": "second"},
    ),
    Life(
        "ModelPackageGroup",
        {"model_package_group_name": NAME, "model_package_group_description": "first"},
        filters={"cross_account_filter_option": ("SameAccount", None)},
        also={"put_policy": {"resource_policy": json.dumps(_POLICY)}, "get_policy": {}, "delete_policy": {}},
    ),
    Life(
        "ModelPackage",
        {
            "model_package_group_name": Of("ModelPackageGroup", "model_package_group_name"),
            # The SDK takes the class of this name of model cards, which has no more members.
            "inference_specification": {"containers": [{"image": IMAGE, "model_data_url": "s3://b/model.tar.gz"}]},
        },
        instead=_package,
        identity={"model_package_name": "model_package_arn"},
        listed={"model_package_group_name": Of("ModelPackageGroup", "model_package_group_name")},
        filters={
            "model_approval_status": ("PendingManualApproval", "Rejected"),
            "model_package_type": ("Versioned", "Unversioned"),
        },
        update={"model_approval_status": "Approved", "approval_description": "yes"},
        also={"batch_get": {"model_package_arn_list": [Of("ModelPackage", "model_package_arn")]}},
    ),
    Life(
        "ModelCard",
        {
            "model_card_name": NAME,
            "content": json.dumps({"model_overview": {"model_name": "a"}}),
            "model_card_status": "Draft",
        },
        filters={"model_card_status": ("Draft", "Archived")},
        update={"content": json.dumps({"model_overview": {"model_name": "b"}})},
        also={"get_all_versions": {}},
    ),
    Life(
        "Algorithm",
        {
            "algorithm_name": NAME,
            "training_specification": {
                "training_image": IMAGE,
                "supported_training_instance_types": ["ml.m5.large"],
                "training_channels": [
                    {"name": "train", "supported_content_types": ["text/csv"], "supported_input_modes": ["File"]}
                ],
            },
        },
    ),
    Life(
        "Pipeline",
        {
            "pipeline_name": NAME,
            "client_request_token": NAME.rjust(32, "0"),
            "role_arn": ROLE,
            "pipeline_definition": json.dumps(_PIPELINE),
        },
        filters={"pipeline_name_prefix": (NAME, "absent")},
        update={"pipeline_description": "second"},
        delete={"client_request_token": NAME.rjust(32, "1")},
    ),
    Life("PipelineExecution", listed={"pipeline_name": Of("Pipeline", "pipeline_name")}),
    Life(
        "FeatureGroup",
        {
            "feature_group_name": NAME,
            "record_identifier_feature_name": "id",
            "event_time_feature_name": "time",
            "feature_definitions": [
                {"feature_name": "id", "feature_type": "Integral"},
                {"feature_name": "time", "feature_type": "Fractional"},
            ],
            "online_store_config": {"enable_online_store": True},
            "role_arn": ROLE,
        },
        filters={
            "feature_group_status_equals": ("Created", "CreateFailed"),
            "offline_store_status_equals": (None, "Disabled"),
        },
        update={"feature_additions": [{"feature_name": "more", "feature_type": "String"}]},
    ),
    Life(
        "FeatureMetadata",
        instead=lambda: {"feature_group_name": NAME, "feature_name": "id"},
        update={"description": "second"},
    ),
    Life(
        "Workforce",
        {"workforce_name": NAME, "cognito_config": _POOL},
        instead=lambda: {"workforce_name": NAME},
        update={"source_ip_config": {"cidrs": ["10.0.0.0/8"]}},
    ),
    Life(
        "Workteam",
        {
            "workteam_name": NAME,
            "workforce_name": Of("Workforce", "workforce_name"),
            "member_definitions": [{"cognito_member_definition": {**_POOL, "user_group": "group"}}],
            "description": "first",
        },
        instead=lambda: {"workteam_name": NAME},
        update={"description": "second"},
    ),
    Life(
        "HumanTaskUi",
        {"human_task_ui_name": NAME, "ui_template": {"content": "{{ task.input.text }}"}},
    ),
    Life(
        "FlowDefinition",
        {
            "flow_definition_name": NAME,
            "output_config": {"s3_output_path": "s3://bucket/reviews"},
            "role_arn": ROLE,
            "human_loop_config": {
                "workteam_arn": f"arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/{NAME}",
                "human_task_ui_arn": Of("HumanTaskUi", "human_task_ui_arn"),
                "task_title": "t",
                "task_description": "d",
                "task_count": 1,
            },
        },
    ),
    Life("Hub", {"hub_name": NAME, "hub_description": "first"}, update={"hub_description": "second"}),
    Life(
        "HubContent",
        {
            "hub_name": NAME,
            "hub_content_type": "Notebook",
            "hub_content_name": NAME,
            "document_schema_version": "1.0.0",
            "hub_content_document": "{}",
        },
        instead=_content,
        update={"hub_content_type": "Notebook", "hub_content_version": "1.0.0", "hub_content_description": "second"},
        also={"get_all_versions": {}},
    ),
    Life(
        "DeviceFleet",
        {"device_fleet_name": NAME, "output_config": {"s3_output_location": "s3://bucket/fleet"}, "role_arn": ROLE},
        update={"output_config": {"s3_output_location": "s3://bucket/other"}, "description": "second"},
        also={"register_devices": {"devices": [_DEVICE]}, "update_devices": {"devices": [_DEVICE]}, "get_report": {}},
    ),
    Life(
        "Device",
        instead=_device,
        filters={"device_fleet_name": (NAME, "absent"), "model_name": (None, "absent")},
    ),
    Life(
        "EdgeDeploymentPlan",
        {
            "edge_deployment_plan_name": NAME,
            "device_fleet_name": Of("DeviceFleet", "device_fleet_name"),
            "model_configs": [{"model_handle": "handle", "edge_packaging_job_name": "packaging"}],
            "stages": [_STAGE],
        },
        filters={"device_fleet_name_contains": (NAME, "absent")},
        also={
            "get_all_stage_devices": {"stage_name": "first"},
            "delete_stage": {"stage_name": "first"},
            "create_stage": {},
        },
    ),
    Life(
        "ClusterSchedulerConfig",
        {"name": NAME, "cluster_arn": CLUSTER, "scheduler_config": {"fair_share": "Enabled"}},
        filters={"cluster_arn": (CLUSTER, f"{CLUSTER[:-1]}z"), "status": ("Created", "CreateFailed")},
        update={"target_version": 1, "description": "second"},
    ),
    Life(
        "ComputeQuota",
        {
            "name": NAME,
            "cluster_arn": CLUSTER,
            "compute_quota_config": {"compute_quota_resources": [{"instance_type": "ml.m5.large", "count": 1}]},
            "compute_quota_target": {"team_name": "team"},
        },
        filters={"cluster_arn": (CLUSTER, f"{CLUSTER[:-1]}z"), "status": ("Created", "CreateFailed")},
        update={"target_version": 1, "description": "second"},
    ),
    Life("AIWorkloadConfig", {"ai_workload_config_name": NAME}),
    Life("ResourceCatalog"),
    Life("LineageGroup", instead=lambda: {"lineage_group_name": "sagemaker-default-lineage-group"}),
    Life("SubscribedWorkteam"),
)
