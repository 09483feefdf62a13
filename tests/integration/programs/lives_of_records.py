"""Experiments, registries, features, people, hubs and devices: what the SDK v3 is given, in order."""

import json
from typing import Any

from life import CLUSTER, IMAGE, NAME, ROLE, Life, Of, client


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


_POOL = {"user_pool": "us-east-1_pool", "client_id": "client"}
_SOURCE = {"source_uri": "s3://bucket/walk"}
_BY_SOURCE = ("s3://bucket/walk", "s3://bucket/other")
_PIPELINE = {"Version": "2020-12-01", "Steps": [{"Name": "S", "Type": "Fail", "Arguments": {"ErrorMessage": "m"}}]}
_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sagemaker:Describe*", "Resource": "*"}],
}
_DEVICE = {"device_name": NAME, "device_fleet_name": NAME, "iot_thing_name": "thing"}
_STAGE = {
    "stage_name": "first",
    "device_selection_config": {"device_subset_type": "SELECTION", "device_names": [NAME]},
}
LIVES = (
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
