"""Two API servers, each a process of its own, on one PostgreSQL database: what one was told the other knows.

That every operation of every kind does so is shown by `make conformance PYTEST=--two-servers`, where each answers every
other request. Here is what is not one request: pages, tokens, races, events, the audit trail, logs, reconcilers.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.store import Document, Store
from tests.integration.postgres import database
from tests.integration.remote_servers import STEPS, RemoteServer
from tests.integration.servers import IMAGE, ROLE, SPECIFICATION
from tests.unit.services.sagemaker.world import training_job
from tests.unit.wire.clients import REGION

pytestmark = pytest.mark.postgres

Both = tuple[RemoteServer, RemoteServer]
LONGEST_SECONDS = 60.0


@pytest.fixture
def url(postgres: str) -> Iterator[str]:
    with database(postgres) as found:
        yield found


@pytest.fixture
def servers(url: str, tmp_path: Path) -> Iterator[Both]:
    both = RemoteServer(tmp_path / "one", url), RemoteServer(tmp_path / "two", url)
    yield both
    for each in both:
        each.close()


def model(server: RemoteServer, name: str) -> Any:
    return server.call("create_model", ModelName=name, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)


def code(call: Callable[[], Any]) -> str:
    """The error code of a call, empty if it was granted."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def until(reached: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def pages(servers: Both, operation: str, member: str, **params: Any) -> list[Any]:
    """All that an operation lists, each page asked of the other server than the one before."""
    found: list[Any] = []
    for server in itertools.cycle(servers):
        answer = server.call(operation, **params)
        found += answer[member]
        if not (token := answer.get("NextToken")):
            return found
        params["NextToken"] = token
    raise AssertionError


def test_each_step_of_a_life_may_be_asked_of_another_server(servers: Both) -> None:
    one, two = servers
    one.call("create_model_package_group", ModelPackageGroupName="g", Tags=[{"Key": "made", "Value": "one"}])
    arn = two.call("create_model_package", ModelPackageGroupName="g", InferenceSpecification=SPECIFICATION)[
        "ModelPackageArn"
    ]
    assert one.call("describe_model_package", ModelPackageName=arn)["ModelPackageVersion"] == 1
    one.call("update_model_package", ModelPackageArn=arn, ModelApprovalStatus="Approved")
    assert two.call("describe_model_package", ModelPackageName=arn)["ModelApprovalStatus"] == "Approved"
    group = two.call("describe_model_package_group", ModelPackageGroupName="g")["ModelPackageGroupArn"]
    two.call("add_tags", ResourceArn=group, Tags=[{"Key": "tagged", "Value": "two"}])
    tags = one.call("list_tags", ResourceArn=group)["Tags"]
    assert {each["Key"]: each["Value"] for each in tags} == {"made": "one", "tagged": "two"}
    approved = {"Filters": [{"Name": "ModelApprovalStatus", "Operator": "Equals", "Value": "Approved"}]}
    (found,) = two.call("search", Resource="ModelPackage", SearchExpression=approved)["Results"]
    assert found["ModelPackage"]["ModelPackageArn"] == arn
    assert code(lambda: two.call("delete_model_package_group", ModelPackageGroupName="g")) == "ConflictException"
    one.call("delete_model_package", ModelPackageName=arn)
    assert code(lambda: two.call("describe_model_package", ModelPackageName=arn)) == "ValidationException"
    two.call("delete_model_package_group", ModelPackageGroupName="g")
    assert one.call("list_model_package_groups")["ModelPackageGroupSummaryList"] == []
    assert one.call("search", Resource="ModelPackage", SearchExpression=approved)["Results"] == []


def test_a_walk_goes_on_at_the_other_server(servers: Both) -> None:
    names = [f"m{number:02}" for number in range(11)]
    for name, server in zip(names, itertools.cycle(servers), strict=False):
        model(server, name)
    listed = pages(servers, "list_models", "Models", MaxResults=2, SortBy="Name", SortOrder="Ascending")
    assert [each["ModelName"] for each in listed] == names
    for server in servers:
        server.call("create_experiment", ExperimentName=f"e-{server is servers[0]}")
    searched = pages(servers, "search", "Results", Resource="Experiment", MaxResults=1)
    assert len(searched) == 2
    records = pages(servers, "lookup_events", "Events", service="cloudtrail", MaxResults=3)
    assert Counter(each["EventName"] for each in records) == {"CreateModel": 11, "CreateExperiment": 2}


def test_a_token_that_one_server_knows_makes_no_second_resource_at_the_other(servers: Both) -> None:
    one, two = servers
    one.call("create_model_package_group", ModelPackageGroupName="g")
    request = {"ModelPackageGroupName": "g", "InferenceSpecification": SPECIFICATION, "ClientToken": "t"}
    assert (
        one.call("create_model_package", **request)["ModelPackageArn"]
        == (two.call("create_model_package", **request)["ModelPackageArn"])
    )
    other = {**request, "ModelPackageDescription": "another"}
    assert code(lambda: two.call("create_model_package", **other)) == "ConflictException"
    assert len(one.call("list_model_packages", ModelPackageGroupName="g")["ModelPackageSummaryList"]) == 1


def test_of_two_creates_of_one_name_at_once_one_is_granted(servers: Both) -> None:
    creates: dict[str, Callable[[RemoteServer, str], Any]] = {
        "ValidationException": model,
        "ResourceInUse": lambda server, name: server.call("create_training_job", **training_job(name)),
    }
    with ThreadPoolExecutor(2) as pool:
        for taken, create in creates.items():
            for number in range(15):
                calls = [lambda each=each, n=number, do=create: do(each, f"n{n}") for each in servers]
                assert sorted(pool.map(code, calls)) == ["", taken]
    for each in servers:
        assert len(each.call("list_models", MaxResults=100)["Models"]) == 15
        assert len(each.call("list_training_jobs", MaxResults=100)["TrainingJobSummaries"]) == 15


def test_events_that_both_write_are_read_at_either_without_one_missing(servers: Both) -> None:
    cursor, names = None, [f"g{number}" for number in range(8)]
    read: list[str] = []
    for name, writer in zip(names, itertools.cycle(servers), strict=False):
        writer.call("create_model_package_group", ModelPackageGroupName=name)
        writer.call("create_model_package", ModelPackageGroupName=name, InferenceSpecification=SPECIFICATION)
        reader = servers[0] if writer is servers[1] else servers[1]
        page = reader.events(cursor)
        cursor = page.cursor
        read += [each["detail"]["ModelPackageGroupName"] for each in page.events]
    assert read == names
    assert servers[0].events(None).events == servers[1].events(None).events


def test_a_job_lives_where_one_server_reconciles_and_is_seen_at_the_other(servers: Both) -> None:
    asked, reconciles = servers
    reconciles.reconcile()
    asked.call("create_training_job", **training_job("job"))

    def seen() -> Any:
        return asked.call("describe_training_job", TrainingJobName="job")

    until(lambda: reconciles.report("Training", "a line"))
    until(lambda: seen()["SecondaryStatus"] == "Training")
    reconciles.report("Completed", "the last line")
    until(lambda: seen()["TrainingJobStatus"] == "Completed")
    (stream,) = asked.call("describe_log_streams", service="logs", logGroupName="/aws/sagemaker/TrainingJobs")[
        "logStreams"
    ]
    lines = asked.call(
        "get_log_events",
        service="logs",
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamName=stream["logStreamName"],
        startFromHead=True,
    )["events"]
    assert [each["message"] for each in lines] == ["a line", "the last line"]
    told = [each["detail"]["TrainingJobStatus"] for each in asked.events(None).events]
    assert (told[0], told[-1]) == ("InProgress", "Completed")


def test_reconcilers_of_both_take_each_step_once(servers: Both, url: str) -> None:
    keys = [f"k{number}" for number in range(12)]
    store = Store.open(url)
    try:
        with store.write() as tx:
            for key in keys:
                body = {"inside": 0, "overlapped": False, "steps": []}
                tx.create(Document("counted", REGION, key, key, "", body))
                tx.schedule("counted", REGION, key, time.time())
        for server in servers:
            server.count()

        def bodies() -> list[dict[str, Any]]:
            with store.read() as tx:
                return [found.body for key in keys if (found := tx.get("counted", REGION, key))]

        until(lambda: all(len(each["steps"]) >= STEPS for each in bodies()))
        assert [(len(each["steps"]), each["inside"], each["overlapped"]) for each in bodies()] == (
            [(STEPS, 0, False)] * len(keys)
        )
        assert len({pid for each in bodies() for pid in each["steps"]}) == 2
    finally:
        store.close()


def test_what_a_server_acknowledged_before_it_was_killed_the_other_has(servers: Both) -> None:
    one, two = servers
    made: list[str] = []
    enough = threading.Event()

    def create() -> None:
        for number in itertools.count():
            try:
                model(one, f"m{number:04}")
            except (EOFError, OSError):
                return
            made.append(f"m{number:04}")
            if len(made) == 10:
                enough.set()

    thread = threading.Thread(target=create)
    thread.start()
    assert enough.wait(LONGEST_SECONDS)
    one.kill()
    thread.join()
    listed = pages((two, two), "list_models", "Models", MaxResults=100, SortBy="Name", SortOrder="Ascending")
    names = [each["ModelName"] for each in listed]
    # The last may have been stored, and its answer lost.
    assert names[: len(made)] == made
    assert len(names) <= len(made) + 1
    records = pages((two, two), "lookup_events", "Events", service="cloudtrail", MaxResults=50)
    assert len(records) == len(names)
    two.call("delete_model", ModelName=made[-1])
    model(two, made[-1])
