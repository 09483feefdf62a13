"""Resources of many shapes through the AWS CLI's create, describe, list and delete."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.test_aws_cli import Cli

SCRIPT = base64.b64encode(b"#!/bin/sh\necho \xf0\x9f\x90\xa7\n").decode()
DEFINITION = {"Version": "2020-12-01", "Steps": [{"Name": "S", "Type": "Fail", "Arguments": {"ErrorMessage": "m"}}]}
CARD = {"model_overview": {"model_description": 'with "quotes" and \N{SNOWMAN}'}}
CONTAINERS = [
    {"Image": jobs.IMAGE, "ModelDataUrl": "s3://bucket/one.tar.gz", "Environment": {"A": "b=c,d"}},
    {"Image": jobs.IMAGE, "ModelDataUrl": "s3://bucket/two.tar.gz"},
]


@dataclass(frozen=True)
class Resource:
    """One kind as a user of the CLI spells it.

    Attributes:
        kind: in the commands: `create-<kind>`.
        words: of the create command; NAME is the resource's name, FILE a file that holds `content`.
        named: the option that names it to describe and delete, and what is given there: NAME or a member of what
            create answered.
        shows: a query of what describe answers → what it finds.
        listed: the list command and its filters, and a query of what it answers, which finds the name.
        deleted: further words of the delete command.
    """

    kind: str
    words: tuple[str, ...]
    named: tuple[str, str]
    shows: Mapping[str, Any]
    listed: tuple[str, ...]
    content: Any = None
    deleted: tuple[str, ...] = field(default=())


RESOURCES = (
    Resource(
        "code-repository",
        ("--code-repository-name", "NAME", "--git-config", "RepositoryUrl=https://github.com/a/b.git,Branch=main"),
        ("--code-repository-name", "NAME"),
        {"GitConfig": {"RepositoryUrl": "https://github.com/a/b.git", "Branch": "main"}},
        ("list-code-repositories", "--name-contains", "NAME", "CodeRepositorySummaryList[].CodeRepositoryName"),
    ),
    Resource(
        "trial-component",
        (
            "--trial-component-name",
            "NAME",
            "--start-time",
            "2024-05-01T12:00:00+02:00",
            "--parameters",
            "rate={NumberValue=0.5},optimizer={StringValue=adam}",
            "--status",
            "PrimaryStatus=InProgress",
        ),
        ("--trial-component-name", "NAME"),
        {
            "StartTime": 1714557600.0,
            "Parameters": {"rate": {"NumberValue": 0.5}, "optimizer": {"StringValue": "adam"}},
        },
        ("list-trial-components", "--created-after", "2020-01-01", "TrialComponentSummaries[].TrialComponentName"),
    ),
    Resource(
        "artifact",
        (
            "--artifact-name",
            "NAME",
            "--artifact-type",
            "DataSet",
            "--source",
            "SourceUri=s3://bucket/NAME,SourceTypes=[{SourceIdType=Custom,Value=v}]",
        ),
        ("--artifact-arn", "ArtifactArn"),
        {"Source.SourceTypes": [{"SourceIdType": "Custom", "Value": "v"}]},
        ("list-artifacts", "--source-uri", "s3://bucket/NAME", "ArtifactSummaries[].ArtifactName"),
    ),
    Resource(
        "domain",
        (
            "--domain-name",
            "NAME",
            "--auth-mode",
            "IAM",
            "--default-user-settings",
            f"ExecutionRole={jobs.ROLE},SecurityGroups=sg-1,sg-2",
        ),
        ("--domain-id", "DomainId"),
        {"DefaultUserSettings": {"ExecutionRole": jobs.ROLE, "SecurityGroups": ["sg-1", "sg-2"]}},
        ("list-domains", "Domains[].DomainName"),
        deleted=("--retention-policy", "HomeEfsFileSystem=Delete"),
    ),
    Resource(
        "feature-group",
        (
            "--feature-group-name",
            "NAME",
            "--record-identifier-feature-name",
            "id",
            "--event-time-feature-name",
            "time",
            "--feature-definitions",
            "FeatureName=id,FeatureType=Integral",
            "FeatureName=time,FeatureType=Fractional",
            "--online-store-config",
            "EnableOnlineStore=true,TtlDuration={Unit=Days,Value=3}",
        ),
        ("--feature-group-name", "NAME"),
        {"FeatureDefinitions[].FeatureName": ["id", "time"], "OnlineStoreConfig.TtlDuration.Value": 3},
        ("list-feature-groups", "--name-contains", "NAME", "FeatureGroupSummaries[].FeatureGroupName"),
    ),
    Resource(
        "studio-lifecycle-config",
        (
            "--studio-lifecycle-config-name",
            "NAME",
            "--studio-lifecycle-config-app-type",
            "JupyterLab",
            "--studio-lifecycle-config-content",
            SCRIPT,
        ),
        ("--studio-lifecycle-config-name", "NAME"),
        {"StudioLifecycleConfigContent": SCRIPT},
        ("list-studio-lifecycle-configs", "StudioLifecycleConfigs[].StudioLifecycleConfigName"),
    ),
    Resource(
        "pipeline",
        ("--pipeline-name", "NAME", "--role-arn", jobs.ROLE, "--pipeline-definition", "FILE"),
        ("--pipeline-name", "NAME"),
        {"PipelineDefinition": json.dumps(DEFINITION), "PipelineStatus": "Active"},
        ("list-pipelines", "--pipeline-name-prefix", "NAME", "PipelineSummaries[].PipelineName"),
        content=DEFINITION,
    ),
    Resource(
        "model-card",
        ("--model-card-name", "NAME", "--model-card-status", "Draft", "--content", "FILE"),
        ("--model-card-name", "NAME"),
        {"Content": json.dumps(CARD), "ModelCardVersion": 1},
        ("list-model-cards", "--name-contains", "NAME", "ModelCardSummaries[].ModelCardName"),
        content=CARD,
    ),
    Resource(
        "model",
        (
            "--model-name",
            "NAME",
            "--execution-role-arn",
            jobs.ROLE,
            "--containers",
            "FILE",
            "--enable-network-isolation",
        ),
        ("--model-name", "NAME"),
        {"Containers[].ModelDataUrl": [each["ModelDataUrl"] for each in CONTAINERS], "EnableNetworkIsolation": True},
        ("list-models", "--name-contains", "NAME", "Models[].ModelName"),
        content=CONTAINERS,
    ),
    Resource(
        "human-task-ui",
        ("--human-task-ui-name", "NAME", "--ui-template", json.dumps({"Content": "<p>{{ task.input.text }}</p>"})),
        ("--human-task-ui-name", "NAME"),
        {"HumanTaskUiStatus": "Active"},
        ("list-human-task-uis", "HumanTaskUiSummaries[].HumanTaskUiName"),
    ),
)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.kind)
def test_a_resource_is_created_described_listed_and_deleted(
    resource: Resource, platform: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    aws = Cli(platform, tmp_path_factory.mktemp("resources"))
    content, name = aws.folder / "content.json", jobs.name("cli")
    content.write_text(json.dumps(resource.content), encoding="utf-8")

    def call(command: str, *words: str) -> tuple[str, ...]:
        return (
            "sagemaker",
            command,
            *(word.replace("NAME", name).replace("FILE", f"file://{content}") for word in words),
        )

    created = aws.json(*call(f"create-{resource.kind}", *resource.words, "--tags", "Key=team,Value=red"))
    option, member = resource.named
    known = option, created.get(member, name)
    described = call(f"describe-{resource.kind}", *known)
    for query, expected in resource.shows.items():
        shown = aws.json(*described, "--query", query)
        assert shown == expected
    *listing, query = resource.listed
    assert name in aws.json(*call(*listing), "--query", query)
    aws(*call(f"delete-{resource.kind}", *known, *resource.deleted))
    assert "An error occurred (" in aws.refused(*described)
