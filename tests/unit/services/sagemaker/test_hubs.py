"""Hubs, and what lies in them."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sagesmith.services.sagemaker.hub_contents import HUB_CONTENT
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import ACCOUNT, REGION, World

ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
PUBLIC_HUB = f"arn:aws:sagemaker:{REGION}:aws:hub/SageMakerPublicHub"
PUBLIC_MODEL = f"arn:aws:sagemaker:{REGION}:aws:hub-content/SageMakerPublicHub/Model/bert"


@pytest.fixture
def hub(world: World) -> str:
    checked(world, "CreateHub", HubName="Models", HubDescription="ours")
    return "Models"


def content(version: str = "1.0.0", **changes: Any) -> dict[str, Any]:
    return {
        "HubName": "Models",
        "HubContentType": "Model",
        "HubContentName": "Bert",
        "HubContentVersion": version,
        "DocumentSchemaVersion": "2.0.0",
        "HubContentDocument": json.dumps({"Version": version}),
        **changes,
    }


def named(*version: str, **changes: Any) -> dict[str, Any]:
    """What names a content, or one of its versions."""
    members = {"HubName": "Models", "HubContentType": "Model", "HubContentName": "Bert", **changes}
    return {**members, "HubContentVersion": version[0]} if version else members


def latest(world: World, **changes: Any) -> str:
    return str(checked(world, "DescribeHubContent", **named(**changes))["HubContentVersion"])


def listed(world: World, **changes: Any) -> list[tuple[str, str]]:
    asked = {"HubName": "Models", "HubContentType": "Model", **changes}
    found = checked(world, "ListHubContents", **asked)["HubContentSummaries"]
    return [(each["HubContentName"], each["HubContentVersion"]) for each in found]


def versions(world: World, **changes: Any) -> list[str]:
    found = checked(world, "ListHubContentVersions", **named(**changes))["HubContentSummaries"]
    return [each["HubContentVersion"] for each in found]


def test_a_hub_lives_under_the_name_that_it_was_given(world: World, hub: str) -> None:
    described = checked(world, "DescribeHub", HubName=hub)
    assert (described["HubArn"], described["HubStatus"]) == (f"{ARN}:hub/Models", "InService")
    assert described["CreatedBy"] == described["LastModifiedBy"]
    checked(world, "UpdateHub", HubName=described["HubArn"], HubSearchKeywords=["k"], HubDisplayName="d")
    changed = checked(world, "DescribeHub", HubName=described["HubArn"])
    assert (changed["HubDescription"], changed["HubDisplayName"], changed["HubSearchKeywords"]) == ("ours", "d", ["k"])
    checked(world, "DeleteHub", HubName=hub)
    for operation in ("DescribeHub", "UpdateHub", "DeleteHub"):
        error = refused(world, operation, HubName=hub)
        assert (error.code, error.message) == ("ResourceNotFound", f"Hub '{ARN}:hub/Models' does not exist.")


def test_a_hubs_name_is_taken_once_whatever_its_case(world: World, hub: str) -> None:
    error = refused(world, "CreateHub", HubName=hub.upper(), HubDescription="another")
    assert (error.code, error.message) == ("ResourceInUse", f"Hub already exists: {ARN}:hub/MODELS")


def test_hubs_are_listed_by_name_and_by_a_part_of_it(world: World, hub: str) -> None:
    checked(world, "CreateHub", HubName="Tools", HubDescription="d")
    names = [
        each["HubName"] for each in checked(world, "ListHubs", SortBy="HubName", SortOrder="Ascending")["HubSummaries"]
    ]
    assert names == [hub, "Tools"]
    assert [each["HubName"] for each in checked(world, "ListHubs", NameContains="ode")["HubSummaries"]] == [hub]
    assert checked(world, "ListHubs", CreationTimeBefore=1.0)["HubSummaries"] == []


def test_a_hub_with_contents_cannot_be_deleted(world: World, hub: str) -> None:
    checked(world, "ImportHubContent", **content())
    error = refused(world, "DeleteHub", HubName=hub)
    assert (error.code, error.message) == (
        "ResourceInUse",
        f"Unable to delete Hub [{ARN}:hub/Models] because HubContent(s) are associated with it.",
    )
    checked(world, "DeleteHubContent", **named("1.0.0"))
    checked(world, "DeleteHub", HubName=hub)


def test_the_public_hub_is_there_and_empty_and_nobodys(world: World, hub: str) -> None:
    for name in ("SageMakerPublicHub", PUBLIC_HUB):
        described = checked(world, "DescribeHub", HubName=name)
        assert (described["HubArn"], described["HubStatus"]) == (PUBLIC_HUB, "InService")
        assert listed(world, HubName=name) == []
    error = refused(world, "DescribeHubContent", **named(HubName="SageMakerPublicHub", HubContentName="bert"))
    assert (error.code, error.message) == ("ResourceNotFound", f"HubContent '{PUBLIC_MODEL}' does not exist.")
    changes: dict[str, dict[str, Any]] = {
        "UpdateHub": {"HubName": PUBLIC_HUB},
        "DeleteHub": {"HubName": PUBLIC_HUB},
        "ImportHubContent": content(HubName=PUBLIC_HUB),
        "DeleteHubContent": named("1.0.0", HubName=PUBLIC_HUB),
    }
    for operation, params in changes.items():
        error = refused(world, operation, **params)
        assert error.code == "AccessDeniedException"
        assert error.message.endswith(f"is not authorized to perform: sagemaker:{operation} on resource: {PUBLIC_HUB}")
    error = refused(world, "CreateHub", HubName="sagemakerpublichub", HubDescription="d")
    assert (error.code, error.message) == ("ResourceInUse", f"Hub already exists: {PUBLIC_HUB}")


def test_content_is_imported_and_described(world: World, hub: str) -> None:
    answer = checked(world, "ImportHubContent", **content(HubContentMarkdown="# m", Tags=[{"Key": "k", "Value": "v"}]))
    arn = f"{ARN}:hub-content/Models/Model/Bert/1.0.0"
    assert answer == {"HubArn": f"{ARN}:hub/Models", "HubContentArn": arn}
    described = checked(world, "DescribeHubContent", **named(HubName=f"{ARN}:hub/Models"))
    assert (described["HubContentArn"], described["HubName"]) == (arn, "Models")
    assert (described["HubContentStatus"], described["SupportStatus"]) == ("Available", "Supported")
    assert (described["HubContentDocument"], described["HubContentMarkdown"]) == ('{"Version": "1.0.0"}', "# m")
    assert checked(world, "ListTags", ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    error = refused(world, "ImportHubContent", **content())
    assert (error.code, error.message) == ("ResourceInUse", f"HubContent already exists: {arn}")


def test_the_latest_version_is_the_highest_not_the_last(world: World, hub: str) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        checked(world, "ImportHubContent", **content(version))
    assert latest(world) == "1.10.0"
    assert listed(world) == [("Bert", "1.10.0")]
    assert sorted(versions(world)) == ["1.10.0", "1.2.0", "1.9.0"]
    assert sorted(versions(world, MinVersion="1.9.0")) == ["1.10.0", "1.9.0"]
    checked(world, "DeleteHubContent", **named("1.10.0"))
    assert (latest(world), listed(world)) == ("1.9.0", [("Bert", "1.9.0")])
    checked(world, "DeleteHubContent", **named("1.2.0"))
    checked(world, "DeleteHubContent", **named("1.9.0"))
    assert listed(world) == []
    error = refused(world, "ListHubContentVersions", **named())
    assert (error.code, "does not exist" in error.message) == ("ResourceNotFound", True)
    error = refused(world, "DescribeHubContent", **named())
    assert error.message == f"HubContent '{ARN}:hub-content/Models/Model/Bert' does not exist."
    error = refused(world, "DeleteHubContent", **named("1.9.0"))
    assert error.message == f"HubContent '{ARN}:hub-content/Models/Model/Bert/1.9.0' does not exist."


def test_content_without_a_version_is_the_first(world: World, hub: str) -> None:
    params = content()
    del params["HubContentVersion"]
    checked(world, "ImportHubContent", **params)
    assert latest(world) == "1.0.0"
    assert refused(world, "ImportHubContent", **params).code == "ResourceInUse"


def test_contents_are_listed_by_hub_type_name_and_schema(world: World, hub: str) -> None:
    checked(world, "CreateHub", HubName="another", HubDescription="d")
    checked(world, "ImportHubContent", **content())
    checked(world, "ImportHubContent", **content(HubContentName="gpt", DocumentSchemaVersion="2.10.0"))
    checked(world, "ImportHubContent", **content(HubContentType="Notebook"))
    checked(world, "ImportHubContent", **content(HubName="another", HubContentName="other"))
    assert listed(world, SortBy="HubContentName", SortOrder="Ascending") == [("Bert", "1.0.0"), ("gpt", "1.0.0")]
    assert listed(world, NameContains="pt") == [("gpt", "1.0.0")]
    assert listed(world, MaxSchemaVersion="2.9.0") == [("Bert", "1.0.0")]
    assert listed(world, HubContentType="DataSet") == []
    assert versions(world, HubContentName="BERT") == ["1.0.0"]
    for operation in ("ListHubContents", "ListHubContentVersions"):
        params = named(HubName="nothing")
        if operation == "ListHubContents":
            del params["HubContentName"]
        assert refused(world, operation, **params).code == "ResourceNotFound"


def test_a_version_is_updated_alone(world: World, hub: str) -> None:
    for version in ("1.0.0", "2.0.0"):
        checked(world, "ImportHubContent", **content(version))
    answer = checked(world, "UpdateHubContent", **named("1.0.0"), SupportStatus="Deprecated", HubContentDisplayName="d")
    assert answer == {"HubArn": f"{ARN}:hub/Models", "HubContentArn": f"{ARN}:hub-content/Models/Model/Bert/1.0.0"}
    changed = checked(world, "DescribeHubContent", **named("1.0.0"))
    assert (changed["SupportStatus"], changed["HubContentDisplayName"]) == ("Deprecated", "d")
    assert checked(world, "DescribeHubContent", **named())["SupportStatus"] == "Supported"
    error = refused(world, "UpdateHubContent", **named("1.0.0"))
    assert (error.code, "At least one of" in error.message) == ("ValidationException", True)
    error = refused(world, "UpdateHubContent", **named("3.0.0"), SupportStatus="Deprecated")
    assert error.code == "ResourceNotFound"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"HubContentDocument": "{"}, "HubContentDocument must be a valid JSON object."),
        ({"HubContentDocument": "[]"}, "HubContentDocument must be a valid JSON object."),
        ({"HubContentVersion": "1a0a0"}, "HubContentVersion 1a0a0 is not a version of three numbers, such as 1.0.0."),
        (
            {"DocumentSchemaVersion": "2-0-0"},
            "DocumentSchemaVersion 2-0-0 is not a version of three numbers, such as 1.0.0.",
        ),
    ],
)
def test_content_that_is_no_document_or_no_version_is_refused(
    world: World, hub: str, changes: dict[str, str], said: str
) -> None:
    error = refused(world, "ImportHubContent", **content(**changes))
    assert (error.code, error.message) == ("ValidationException", said)
    assert listed(world) == []


@pytest.fixture
def publish(world: World) -> Callable[[str], None]:
    """Puts a version of the model `bert` into the public hub, as nobody can by the API."""

    def put(version: str) -> None:
        body = {
            **content(version, HubName="SageMakerPublicHub", HubContentName="bert", HubContentDescription="public"),
            "HubArn": PUBLIC_HUB,
            "_name": "bert",
            "_latest": True,
        }
        key = HUB_CONTENT.key("SageMakerPublicHub", "Model", "bert", version)
        with world.store.write() as tx:
            template = tx.get("hub", REGION, "models")
            assert template is not None
            tx.create(
                replace(
                    template,
                    kind=HUB_CONTENT.id,
                    key=key,
                    name="bert",
                    arn=f"{PUBLIC_MODEL}/{version}",
                    body=body,
                    parent="sagemakerpublichub",
                    status="Available",
                    facets=HUB_CONTENT.facets(body),
                )
            )

    return put


def refer(**changes: Any) -> dict[str, Any]:
    return {"HubName": "Models", "SageMakerPublicHubContentArn": PUBLIC_MODEL, **changes}


REFERENCE = {"HubName": "Models", "HubContentType": "ModelReference", "HubContentName": "mine"}


def test_what_the_public_hub_has_not_cannot_be_referred_to(world: World, hub: str) -> None:
    error = refused(world, "CreateHubContentReference", **refer())
    assert (error.code, error.message) == ("ResourceNotFound", f"HubContent '{PUBLIC_MODEL}' does not exist.")
    for operation in ("UpdateHubContentReference", "DeleteHubContentReference"):
        error = refused(world, operation, **REFERENCE)
        assert error.code == "ResourceNotFound"
        error = refused(world, operation, **{**REFERENCE, "HubContentType": "Model"})
        assert error.code in {"ValidationException", "ResourceNotFound"}
    assert listed(world, HubContentType="ModelReference") == []


def test_a_reference_shows_the_public_model_under_a_name_of_its_own(
    world: World, hub: str, publish: Callable[[str], None]
) -> None:
    publish("2.0.0")
    answer = checked(world, "CreateHubContentReference", **refer(HubContentName="mine", MinVersion="1.0.0"))
    assert answer["HubContentArn"] == f"{ARN}:hub-content/Models/ModelReference/mine/2.0.0"
    described = checked(world, "DescribeHubContent", **REFERENCE)
    assert (described["SageMakerPublicHubContentArn"], described["ReferenceMinVersion"]) == (PUBLIC_MODEL, "1.0.0")
    assert (described["HubContentDescription"], described["HubContentDocument"]) == ("public", '{"Version": "2.0.0"}')
    assert refused(world, "CreateHubContentReference", **refer(HubContentName="mine")).code == "ResourceInUse"
    checked(world, "UpdateHubContentReference", **REFERENCE, MinVersion="2.0.0")
    assert checked(world, "DescribeHubContent", **REFERENCE)["ReferenceMinVersion"] == "2.0.0"
    error = refused(world, "UpdateHubContentReference", **REFERENCE, MinVersion="2.0.1")
    assert error.message == "MinVersion 2.0.1 is above the latest version of the referenced model, 2.0.0."
    error = refused(world, "UpdateHubContent", **REFERENCE, HubContentVersion="2.0.0", SupportStatus="Deprecated")
    assert error.message == "UpdateHubContent does not update a ModelReference: use UpdateHubContentReference."
    checked(world, "DeleteHubContentReference", **REFERENCE)
    assert refused(world, "DescribeHubContent", **REFERENCE).code == "ResourceNotFound"


def test_a_reference_asks_for_no_version_above_the_public_one(
    world: World, hub: str, publish: Callable[[str], None]
) -> None:
    publish("2.0.0")
    assert refused(world, "CreateHubContentReference", **refer(MinVersion="3.0.0")).code == "ValidationException"
    assert listed(world, HubContentType="ModelReference") == []


def test_artifacts_are_read_by_presigned_urls_page_by_page(world: World, hub: str) -> None:
    document = {"HostingArtifactUri": "s3://b/a/model.tar.gz", "Scripts": [{"Uri": "s3://b/a/s c.py"}], "Other": "text"}
    checked(world, "ImportHubContent", **content(HubContentDocument=json.dumps(document)))
    answer = checked(world, "CreateHubContentPresignedUrls", **named(), MaxResults=1)
    (first,) = answer["AuthorizedUrlConfigs"]
    assert first["LocalPath"] == "/a/model.tar.gz"
    url = urlsplit(first["Url"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{world.home.platform.url}/b/a/model.tar.gz"
    assert parse_qs(url.query)["X-Amz-Expires"] == ["900"]
    answer = checked(world, "CreateHubContentPresignedUrls", **named(), MaxResults=1, NextToken=answer["NextToken"])
    assert [each["LocalPath"] for each in answer["AuthorizedUrlConfigs"]] == ["/a/s c.py"]
    assert "NextToken" not in answer
    error = refused(world, "CreateHubContentPresignedUrls", **named(), AccessConfig={"ExpectedS3Url": "s3://other/"})
    assert error.message == "ExpectedS3Url s3://other/ is not where the artifacts of Bert are."
    assert refused(world, "CreateHubContentPresignedUrls", **named("9.0.0")).code == "ResourceNotFound"


def test_gated_artifacts_need_their_license_agreement_accepted(world: World, hub: str) -> None:
    document = {"HostingEulaUri": "s3://b/eula.txt"}
    checked(world, "ImportHubContent", **content(HubContentDocument=json.dumps(document)))
    error = refused(world, "CreateHubContentPresignedUrls", **named())
    assert (error.code, "AcceptEula" in error.message) == ("ValidationException", True)
    answer = checked(world, "CreateHubContentPresignedUrls", **named(), AccessConfig={"AcceptEula": True})
    assert len(answer["AuthorizedUrlConfigs"]) == 1


def test_every_version_is_found_by_search(world: World, hub: str) -> None:
    for version in ("1.0.0", "2.0.0"):
        checked(world, "ImportHubContent", **content(version))
    found = checked(
        world,
        "Search",
        Resource="HubContent",
        SearchExpression={"Filters": [{"Name": "HubContentVersion", "Operator": "Equals", "Value": "2.0.0"}]},
    )["Results"]
    assert [each["HubContent"]["HubContentArn"] for each in found] == [f"{ARN}:hub-content/Models/Model/Bert/2.0.0"]
