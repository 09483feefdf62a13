"""A private hub and a review by people with the resource classes of the SageMaker SDK v3, and its registry of data."""

import json
import os

import boto3
from sagemaker.ai_registry.air_hub import AIRHub
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import FlowDefinition, Hub, HubContent, HumanTaskUi, Workforce, Workteam
from sagemaker.core.shapes import FlowDefinitionOutputConfig, HumanLoopConfig, UiTemplate
from steps import refusal, step, take

client = boto3.client("sagemaker")
role = get_execution_role(Session())
name = f"hub-v3-{os.getpid()}"


@step
def a_hub_and_its_content():
    hub = Hub.create(hub_name=name, hub_description="ours")
    hub.wait_for_status("InService", poll=1, timeout=10)
    hub.update(hub_display_name="shown")
    # HubContent.load of the SDK gives its client an argument that it does not take.
    client.import_hub_content(
        HubName=name,
        HubContentType="Notebook",
        HubContentName="tour",
        DocumentSchemaVersion="1.0.0",
        HubContentDocument=json.dumps({"Url": "s3://bucket/tour.ipynb"}),
    )
    content = HubContent.get(hub_name=name, hub_content_type="Notebook", hub_content_name="tour")
    content.update(hub_content_type="Notebook", hub_content_version="1.0.0", support_status="Deprecated")
    content.refresh()
    seen = {
        "shown": hub.refresh().hub_display_name,
        "found": [each.hub_name == name for each in Hub.get_all(name_contains=name)],
        "content": [content.hub_content_version, content.hub_content_status, content.support_status],
        "public": Hub.get(hub_name="SageMakerPublicHub").hub_status,
        "gone": {},
    }
    content.delete()
    hub.delete()
    with refusal(seen["gone"]):
        hub.refresh()
    return seen


@step
def a_dataset_in_the_registry():
    for version in ("1.0.0", "1.1.0"):
        AIRHub.import_hub_content("DataSet", "rows", "2.0.0", '{"Rows": 3}', version, tags=(("team", "red"),))
    listed = AIRHub.list_hub_content("DataSet")["items"]
    versions = AIRHub.list_hub_content_versions("DataSet", "rows")
    for version in ("1.0.0", "1.1.0"):
        AIRHub.delete_hub_content("DataSet", "rows", version)
    return {
        "listed": [[each["HubContentVersion"], each["HubContentSearchKeywords"]] for each in listed],
        "versions": sorted(each["HubContentVersion"] for each in versions),
        "left": AIRHub.list_hub_content("DataSet")["items"],
    }


@step
def a_review_by_people():
    pool = {"UserPool": "us-east-1_pool", "ClientId": "client", "UserGroup": "reviewers"}
    # Workteam.create of the SDK looks for a name in the answer, which is nested.
    client.create_workteam(WorkteamName=name, Description="d", MemberDefinitions=[{"CognitoMemberDefinition": pool}])
    (team,) = Workteam.get_all(name_contains=name)
    page = HumanTaskUi.create(human_task_ui_name=name, ui_template=UiTemplate(content="{{ task.input.text }}"))
    flow = FlowDefinition.create(
        flow_definition_name=name,
        output_config=FlowDefinitionOutputConfig(s3_output_path="s3://bucket/reviews"),
        role_arn=role,
        human_loop_config=HumanLoopConfig(
            workteam_arn=team.workteam.workteam_arn,
            human_task_ui_arn=page.human_task_ui_arn,
            task_title="t",
            task_description="d",
            task_count=1,
        ),
    )
    flow.wait_for_status("Active", poll=1, timeout=10)
    seen = {
        "workforces": [each.workforce.status for each in Workforce.get_all()],
        "flow": flow.human_loop_config.task_time_limit_in_seconds,
        "page": [page.human_task_ui_status, len(page.ui_template.content_sha256)],
        "early": {},
    }
    with refusal(seen["early"]):
        client.delete_workteam(WorkteamName=name)
    flow.delete()
    page.delete()
    client.delete_workteam(WorkteamName=name)
    client.delete_workforce(WorkforceName="default")
    return seen


take()
