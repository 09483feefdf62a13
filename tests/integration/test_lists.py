"""Lists through boto3: every filter, sort and page, in regions that no other test uses."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

REGION = "ap-southeast-2"
OTHER = "ca-central-1"
COUNT = 12
NAMES = [f"Item-{number:02}" for number in range(COUNT)]


def create_model(client: Any, name: str) -> None:
    client.create_model(ModelName=name, ExecutionRoleArn=jobs.ROLE, PrimaryContainer={"Image": jobs.IMAGE})


def create_config(client: Any, name: str) -> None:
    variant = {"VariantName": "one", "ModelName": NAMES[0], "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])


def create_repository(client: Any, name: str) -> None:
    client.create_code_repository(CodeRepositoryName=name, GitConfig={"RepositoryUrl": "https://example.com/r.git"})


def create_job(client: Any, name: str) -> None:
    """A job that fails at once, because nothing runs its image."""
    client.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "no-such-image", "TrainingInputMode": "File"},
        RoleArn=jobs.ROLE,
        OutputDataConfig={"S3OutputPath": f"s3://{jobs.BUCKET}/output"},
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )


KINDS: dict[str, tuple[Callable[[Any, str], None], str, str, str]] = {
    "models": (create_model, "list_models", "Models", "ModelName"),
    "configurations": (create_config, "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    "repositories": (create_repository, "list_code_repositories", "CodeRepositorySummaryList", "CodeRepositoryName"),
    "jobs": (create_job, "list_training_jobs", "TrainingJobSummaries", "TrainingJobName"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def client(platform: Running) -> Any:
    """A client of a region with the same names in every kind, created one after the other."""
    client = platform.client("sagemaker", region_name=REGION)
    for create, *_ in KINDS.values():
        for name in NAMES:
            create(client, name)
    while client.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]:
        time.sleep(0.05)
    return client


def listed(client: Any, kind: str, **query: Any) -> list[str]:
    """The names of all pages."""
    _, operation, items, name = KINDS[kind]
    pages = client.get_paginator(operation).paginate(**query)
    return [each[name] for page in pages for each in page[items]]


@every_kind
@pytest.mark.parametrize("size", [1, 5, 100])
@pytest.mark.parametrize("sort", ["Name", "CreationTime"])
def test_pages_give_everything_once_in_both_orders(client: Any, kind: str, size: int, sort: str) -> None:
    for order, expected in (("Ascending", NAMES), ("Descending", NAMES[::-1])):
        query = {"SortBy": sort, "SortOrder": order, "MaxResults": size}
        assert listed(client, kind, **query) == expected


@every_kind
def test_a_page_has_ten_unless_asked_otherwise_and_the_last_one_no_token(client: Any, kind: str) -> None:
    _, operation, items, _ = KINDS[kind]
    first = getattr(client, operation)()
    assert len(first[items]) == 10
    second = getattr(client, operation)(NextToken=first["NextToken"])
    assert len(second[items]) == COUNT - 10
    assert "NextToken" not in second


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("models", NAMES[::-1]), ("configurations", NAMES[::-1]), ("repositories", NAMES), ("jobs", NAMES)],
)
def test_the_order_that_nobody_asked_for_is_the_one_of_the_api_s_reference(
    client: Any, kind: str, expected: list[str]
) -> None:
    assert listed(client, kind) == expected


@every_kind
def test_a_token_survives_what_comes_and_goes_between_two_pages(platform: Running, kind: str) -> None:
    create, operation, items, name = KINDS[kind]
    client = platform.client("sagemaker", region_name=OTHER)
    if kind == "configurations":
        create_model(client, NAMES[0])
    for each in ("b", "d", "f", "h"):
        create(client, each)
    query = {"SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 2}
    first = getattr(client, operation)(**query)
    assert [each[name] for each in first[items]] == ["b", "d"]
    for each in ("a", "e", "i"):
        create(client, each)
    if kind != "jobs":
        getattr(client, operation.replace("list", "delete").removesuffix("s").replace("repositorie", "repository"))(
            **{name: "d"}
        )
    rest = []
    token = first["NextToken"]
    while token:
        page = getattr(client, operation)(**query, NextToken=token)
        rest += [each[name] for each in page[items]]
        token = page.get("NextToken")
    assert rest == ["e", "f", "h", "i"]


@every_kind
def test_a_token_of_another_query_or_of_nobody_is_refused(client: Any, kind: str) -> None:
    operation = getattr(client, KINDS[kind][1])
    token = operation(MaxResults=2, SortBy="Name")["NextToken"]
    assert not any(name in token for name in NAMES)
    for query in ({"NextToken": token, "SortBy": "CreationTime"}, {"NextToken": "nonsense"}, {"NextToken": token[:-2]}):
        with pytest.raises(ClientError) as raised:
            operation(**query)
        assert raised.value.response["Error"]["Code"] == "ValidationException"


@every_kind
def test_names_are_selected_by_a_part_of_them(client: Any, kind: str) -> None:
    assert sorted(listed(client, kind, NameContains="-1")) == NAMES[10:]
    assert sorted(listed(client, kind, NameContains="em-03")) == ["Item-03"]
    assert listed(client, kind, NameContains="nothing") == []


def exactly(platform: Running, kind: str, region: str = REGION, **query: Any) -> list[dict[str, Any]]:
    """One page, with times as fractions of seconds: boto3 would send whole ones."""
    _, operation, items, _ = KINDS[kind]
    called = "".join(word.capitalize() for word in operation.split("_"))
    status, answer = jobs.sent_raw(platform, called, json.dumps({"MaxResults": 100, **query}).encode(), region)
    assert status == 200, answer
    return answer[items]


@every_kind
@pytest.mark.usefixtures("client")
def test_times_select_on_both_sides_and_are_not_included(platform: Running, kind: str) -> None:
    name = KINDS[kind][3]
    created = {each[name]: each["CreationTime"] for each in exactly(platform, kind)}
    third, ninth = created[NAMES[3]], created[NAMES[9]]

    def names(**query: float) -> list[str]:
        return sorted(each[name] for each in exactly(platform, kind, **query))

    # Several are made within a millisecond, which is all that a time shows.
    assert names(CreationTimeAfter=third) == [each for each in NAMES if created[each] > third]
    assert names(CreationTimeBefore=third) == [each for each in NAMES if created[each] < third]
    between = [each for each in NAMES if third < created[each] < ninth]
    assert names(CreationTimeAfter=third, CreationTimeBefore=ninth) == between
    assert names(CreationTimeAfter=ninth, CreationTimeBefore=third) == []


def test_jobs_are_selected_by_status_and_by_the_time_of_their_last_change(platform: Running, client: Any) -> None:
    assert sorted(listed(client, "jobs", StatusEquals="Failed")) == NAMES
    assert listed(client, "jobs", StatusEquals="Completed") == []
    assert listed(client, "jobs", WarmPoolStatusEquals="Available") == []
    assert listed(client, "jobs", StatusEquals="Failed", NameContains="-1", SortBy="Status") == NAMES[10:]
    changed = {each["TrainingJobName"]: each["LastModifiedTime"] for each in exactly(platform, "jobs")}
    fifth = changed[NAMES[5]]
    later = exactly(platform, "jobs", LastModifiedTimeAfter=fifth)
    earlier = exactly(platform, "jobs", LastModifiedTimeBefore=fifth)
    assert {each["TrainingJobName"] for each in later} == {name for name in NAMES if changed[name] > fifth}
    assert {each["TrainingJobName"] for each in earlier} == {name for name in NAMES if changed[name] < fifth}


def test_endpoints_are_selected_and_sorted_by_status(platform: Running) -> None:
    region = "sa-east-1"
    client = platform.client("sagemaker", region_name=region)
    create_model(client, NAMES[0])
    create_config(client, NAMES[0])
    for name in NAMES[:3]:
        client.create_endpoint(EndpointName=name, EndpointConfigName=NAMES[0])
    while len(client.list_endpoints(StatusEquals="Failed")["Endpoints"]) < 3:
        time.sleep(0.05)
    assert client.list_endpoints(StatusEquals="InService")["Endpoints"] == []
    first = client.list_endpoints(SortBy="Status", NameContains="Item", MaxResults=2)
    assert [each["EndpointName"] for each in first["Endpoints"]] == NAMES[2:0:-1]
    second = client.list_endpoints(SortBy="Status", NameContains="Item", NextToken=first["NextToken"])
    assert [each["EndpointName"] for each in second["Endpoints"]] == NAMES[:1]
    for name in NAMES[:3]:
        client.delete_endpoint(EndpointName=name)


@every_kind
@pytest.mark.parametrize("size", [0, 101])
def test_a_page_size_out_of_range_is_refused_in_aws_s_words(platform: Running, kind: str, size: int) -> None:
    lenient = platform.client("sagemaker", config=Config(parameter_validation=False))
    with pytest.raises(ClientError, match=r"1 validation error detected: Value '.*' at 'maxResults'") as raised:
        getattr(lenient, KINDS[kind][1])(MaxResults=size)
    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_one_name_in_two_regions_is_two_resources(platform: Running) -> None:
    here = platform.client("sagemaker", region_name="eu-west-1")
    there = platform.client("sagemaker", region_name="eu-central-1")
    name = jobs.name("twin")
    for client in (here, there):
        create_model(client, name)
    arns = {client.describe_model(ModelName=name)["ModelArn"] for client in (here, there)}
    assert arns == {f"arn:aws:sagemaker:{region}:123456789012:model/{name}" for region in ("eu-west-1", "eu-central-1")}
    arn = f"arn:aws:sagemaker:eu-west-1:123456789012:model/{name}"
    here.add_tags(ResourceArn=arn, Tags=[{"Key": "where", "Value": "here"}])
    with pytest.raises(ClientError):
        there.list_tags(ResourceArn=arn)
    here.delete_model(ModelName=name)
    assert listed(here, "models", NameContains=name) == []
    assert listed(there, "models", NameContains=name) == [name]
    assert there.list_tags(ResourceArn=arn.replace("eu-west-1", "eu-central-1"))["Tags"] == []


def test_pages_are_whole_while_others_create(platform: Running) -> None:
    client = platform.client("sagemaker", region_name="ap-south-1")
    for name in NAMES:
        create_model(client, name)
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(create_model, client, f"later-{number}") for number in range(30)]
        seen = listed(client, "models", SortBy="CreationTime", SortOrder="Ascending", MaxResults=2)
        for each in made:
            each.result()
    assert seen[:COUNT] == NAMES
    assert len(seen) == len(set(seen))


def test_all_fifty_tags_of_a_resource_come_in_one_page(client: Any) -> None:
    arn = client.describe_model(ModelName=NAMES[1])["ModelArn"]
    tags = [{"Key": f"key-{number:02}", "Value": str(number)} for number in range(50)]
    assert client.add_tags(ResourceArn=arn, Tags=tags)["Tags"] == tags
    page = client.list_tags(ResourceArn=arn, MaxResults=50)
    assert page["Tags"] == tags
    assert "NextToken" not in page
    client.delete_tags(ResourceArn=arn, TagKeys=[tag["Key"] for tag in tags[1:]])
    assert client.list_tags(ResourceArn=arn)["Tags"] == tags[:1]
