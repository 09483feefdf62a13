"""Templates of workers' pages, what they look like, and flow definitions."""

import json
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.test_workforces import team
from tests.unit.services.sagemaker.world import ACCOUNT, REGION, ROLE, World

ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
UI = f"{ARN}:human-task-ui/ui"
TEAM = f"{ARN}:workteam/private-crowd/t"


def rendered(world: World, template: str, **task: Any) -> tuple[str, list[dict[str, str]]]:
    answer = checked(
        world, "RenderUiTemplate", UiTemplate={"Content": template}, Task={"Input": json.dumps(task)}, RoleArn=ROLE
    )
    return answer["RenderedContent"], answer["Errors"]


def test_a_template_is_shown_by_its_digest(world: World) -> None:
    answer = checked(world, "CreateHumanTaskUi", HumanTaskUiName="ui", UiTemplate={"Content": "<p>é</p>"})
    assert answer == {"HumanTaskUiArn": UI}
    described = checked(world, "DescribeHumanTaskUi", HumanTaskUiName="ui")
    assert described["HumanTaskUiStatus"] == "Active"
    assert described["UiTemplate"] == {"ContentSha256": sha256("<p>é</p>".encode()).hexdigest()}
    (listed,) = checked(world, "ListHumanTaskUis")["HumanTaskUiSummaries"]
    assert listed["HumanTaskUiArn"] == UI
    assert checked(world, "ListHumanTaskUis", CreationTimeAfter=described["CreationTime"])["HumanTaskUiSummaries"] == []
    error = refused(world, "CreateHumanTaskUi", HumanTaskUiName="ui", UiTemplate={"Content": "x"})
    assert (error.code, error.message) == ("ResourceInUse", f"HumanTaskUi already exists: {UI}")
    checked(world, "DeleteHumanTaskUi", HumanTaskUiName="ui")
    for operation in ("DescribeHumanTaskUi", "DeleteHumanTaskUi"):
        error = refused(world, operation, HumanTaskUiName="ui")
        assert (error.code, error.message) == ("ResourceNotFound", f"HumanTaskUi '{UI}' does not exist.")


def test_a_page_has_the_tasks_input_escaped_unless_the_template_says_otherwise(world: World) -> None:
    template = (
        "{{ task.input.text }} {{ task.input.text | skip_autoescape }} {{ task.input.text | escape }} "
        "{{ task.input.labels | to_json }} {{ task.input.labels | to_json | escape }} {{ '&lt; &' | escape_once }}"
    )
    content, errors = rendered(world, template, text="<b>", labels=["a", "b"])
    assert content == '&lt;b&gt; <b> &lt;b&gt; ["a", "b"] [&#34;a&#34;, &#34;b&#34;] &lt; &amp;'
    assert errors == []


def test_a_page_has_loops_and_conditions(world: World) -> None:
    template = (
        "{% for each in task.input.labels %}<i>{{ each }}</i>{% endfor %}"
        "{% if task.input.hint %}{{ task.input.hint }}{% else %}no hint{% endif %} {{ task.input.x | default: 'd' }}"
    )
    assert rendered(world, template, labels=["a", "b"]) == ("<i>a</i><i>b</i>no hint d", [])


def test_variables_that_the_input_has_not_are_errors_each_once(world: World) -> None:
    content, errors = rendered(world, "<p>{{ task.input.a }}{{ task.input.a }}{{ task.input.b.c }}</p>", b={})
    assert content == "<p></p>"
    assert errors == [
        {"Code": "MissingVariable", "Message": "task.input.a is undefined"},
        {"Code": "MissingVariable", "Message": "task.input.b.c is undefined"},
    ]


def test_an_object_is_shown_by_a_url_that_its_role_signed(world: World) -> None:
    content, errors = rendered(
        world, "{{ task.input.image | grant_read_access | skip_autoescape }}", image="s3://bucket/a b/c.png"
    )
    assert errors == []
    url = urlsplit(content)
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{world.home.platform.url}/bucket/a%20b/c.png"
    query = parse_qs(url.query)
    assert query["X-Amz-Expires"] == ["900"]
    key = query["X-Amz-Credential"][0].split("/")[0]
    principal, _ = world.home.keyring.find(key, query["X-Amz-Security-Token"][0])
    assert principal.arn.endswith("assumed-role/SageMakerExecutionRole/RenderUiTemplate")


@pytest.mark.parametrize(
    ("template", "code", "message"),
    [
        (
            "{{ task.input.image | grant_read_access }}",
            "InvalidParameters",
            '"grant_read_access" input is not a valid S3 URI: "http://x".',
        ),
        ("{{ task.input.image | nothing }}", "InvalidTemplate", "unknown filter 'nothing'"),
        ("{% if %}", "InvalidTemplate", "missing expression"),
        ("{% for i in (1..100000000) %}x{% endfor %}", "InvalidTemplate", "loop iteration limit reached"),
    ],
)
def test_a_template_that_cannot_be_rendered_says_why(world: World, template: str, code: str, message: str) -> None:
    assert rendered(world, template, image="http://x") == ("", [{"Code": code, "Message": message}])


def test_a_template_of_the_account_is_rendered_by_its_arn(world: World) -> None:
    task = {"Input": '{"a": 1}'}
    error = refused(world, "RenderUiTemplate", HumanTaskUiArn=UI, Task=task, RoleArn=ROLE)
    assert error.code == "ResourceNotFound"
    checked(world, "CreateHumanTaskUi", HumanTaskUiName="ui", UiTemplate={"Content": "{{ task.input.a }}"})
    assert checked(world, "RenderUiTemplate", HumanTaskUiArn=UI, Task=task, RoleArn=ROLE) == {
        "RenderedContent": "1",
        "Errors": [],
    }
    for given in ({}, {"HumanTaskUiArn": UI, "UiTemplate": {"Content": "x"}}):
        error = refused(world, "RenderUiTemplate", Task=task, RoleArn=ROLE, **given)
        assert error.message == "Exactly one of UiTemplate and HumanTaskUiArn must be specified."
    for wrong in ("{a", "[]"):
        error = refused(world, "RenderUiTemplate", HumanTaskUiArn=UI, Task={"Input": wrong}, RoleArn=ROLE)
        assert error.message == "Task.Input must be a valid JSON object."


def flow(**changes: Any) -> dict[str, Any]:
    loop = {
        "WorkteamArn": TEAM,
        "HumanTaskUiArn": UI,
        "TaskTitle": "t",
        "TaskDescription": "d",
        "TaskCount": 1,
        **changes.pop("HumanLoopConfig", {}),
    }
    return {
        "FlowDefinitionName": "f",
        "HumanLoopConfig": loop,
        "OutputConfig": {"S3OutputPath": "s3://b/out"},
        "RoleArn": ROLE,
        **changes,
    }


@pytest.fixture
def people(world: World) -> None:
    checked(world, "CreateWorkteam", **team())
    checked(world, "CreateHumanTaskUi", HumanTaskUiName="ui", UiTemplate={"Content": "x"})


@pytest.mark.usefixtures("people")
def test_a_flow_definition_lives_and_keeps_its_team(world: World) -> None:
    arn = checked(world, "CreateFlowDefinition", **flow())["FlowDefinitionArn"]
    described = checked(world, "DescribeFlowDefinition", FlowDefinitionName="f")
    assert described["FlowDefinitionStatus"] == "Active"
    assert described["HumanLoopConfig"]["TaskTimeLimitInSeconds"] == 3600
    assert described["HumanLoopConfig"]["TaskAvailabilityLifetimeInSeconds"] == 864_000
    (listed,) = checked(world, "ListFlowDefinitions")["FlowDefinitionSummaries"]
    assert (listed["FlowDefinitionArn"], listed["FlowDefinitionStatus"]) == (arn, "Active")
    error = refused(world, "CreateFlowDefinition", **flow())
    assert (error.code, error.message) == ("ResourceInUse", f"FlowDefinition already exists: {arn}")
    error = refused(world, "DeleteWorkteam", WorkteamName="t")
    assert (error.code, error.message) == (
        "ResourceInUse",
        f'The work team "{TEAM}" cannot be deleted because a FlowDefinition uses it.',
    )
    checked(world, "DeleteHumanTaskUi", HumanTaskUiName="ui")
    checked(world, "DeleteFlowDefinition", FlowDefinitionName="f")
    checked(world, "DeleteWorkteam", WorkteamName="t")
    error = refused(world, "DescribeFlowDefinition", FlowDefinitionName="f")
    assert (error.code, error.message) == ("ResourceNotFound", f"FlowDefinition '{arn}' does not exist.")


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("noun", "arn"),
    [
        ("Workteam", f"{ARN}:workteam/private-crowd/nobody"),
        ("Workteam", f"arn:aws:sagemaker:{REGION}:394669845002:workteam/public-crowd/default"),
        ("HumanTaskUi", f"{ARN}:human-task-ui/nothing"),
    ],
)
def test_a_flow_definition_needs_its_team_and_its_page(world: World, noun: str, arn: str) -> None:
    error = refused(world, "CreateFlowDefinition", **flow(HumanLoopConfig={f"{noun}Arn": arn}))
    assert (error.code, error.message) == (
        "ValidationException",
        f"The specified {noun} '{arn}' does not exist or you do not have access to it.",
    )
    assert checked(world, "ListFlowDefinitions")["FlowDefinitionSummaries"] == []


@pytest.mark.usefixtures("people")
def test_conditions_of_a_review_are_json_and_of_a_source(world: World) -> None:
    source = {"AwsManagedHumanLoopRequestSource": "AWS/Textract/AnalyzeDocument/Forms/V1"}

    def activation(conditions: str) -> dict[str, Any]:
        return {"HumanLoopActivationConditionsConfig": {"HumanLoopActivationConditions": conditions}}

    error = refused(
        world,
        "CreateFlowDefinition",
        **flow(HumanLoopRequestSource=source, HumanLoopActivationConfig=activation("{")),
    )
    assert error.message == "HumanLoopActivationConditions must be a valid JSON object."
    error = refused(world, "CreateFlowDefinition", **flow(HumanLoopActivationConfig=activation("{}")))
    assert error.message == "HumanLoopActivationConfig requires a HumanLoopRequestSource."
    checked(
        world,
        "CreateFlowDefinition",
        **flow(HumanLoopRequestSource=source, HumanLoopActivationConfig=activation('{"Conditions": []}')),
    )
