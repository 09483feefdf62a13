"""Many clients at once on the same kinds: no lost update, no second resource of a name, no error of ours."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagesmith.services.base import Home
from sagesmith.services.reconcile import ReconcileLoop
from sagesmith.store import Document
from tests.integration.conftest import ROOT, Running
from tests.integration.postgres import database
from tests.integration.servers import IMAGE, ROLE, SPECIFICATION, Server
from tests.unit.wire.clients import ACCOUNT, REGION

CLIENTS = 32
EXPECTED = {"ValidationException", "ResourceNotFound", "ResourceInUse", "ConflictException", "ResourceLimitExceeded"}
"""What a client may be told when others were faster."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shared.db"
    else:
        with database(request.getfixturevalue("postgres")) as found:
            yield found


@pytest.fixture
def servers(url: str, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two API servers on one database."""
    both = Server(tmp_path / "one", url), Server(tmp_path / "two", url)
    yield both
    for each in both:
        each.close()


def at_once(calls: Sequence[Callable[[], Any]]) -> tuple[list[Any], Counter[str]]:
    """Run calls at the same time.

    Returns:
        What was answered, and how often each error code was.
    """
    together = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        together.wait()
        try:
            return call()
        except ClientError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        results = list(pool.map(run, calls))
    errors = [each for each in results if isinstance(each, ClientError)]
    answers = [each for each in results if not isinstance(each, ClientError)]
    return answers, Counter(each.response["Error"]["Code"] for each in errors)


def spread(servers: tuple[Server, Server]) -> list[Any]:
    """CLIENTS clients, half of each server."""
    both = [each.client() for each in servers]
    return [both[number % 2] for number in range(CLIENTS)]


def model(client: Any, name: str) -> Any:
    return client.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)


def test_of_many_creates_of_one_name_one_succeeds(servers: tuple[Server, Server]) -> None:
    answers, errors = at_once([lambda client=client: model(client, "m") for client in spread(servers)])
    assert len(answers) == 1
    assert errors == {"ValidationException": CLIENTS - 1}
    assert len(servers[0].client().list_models()["Models"]) == 1


def test_of_many_deletes_of_one_resource_one_succeeds(servers: tuple[Server, Server]) -> None:
    model(servers[0].client(), "m")
    answers, errors = at_once([lambda client=client: client.delete_model(ModelName="m") for client in spread(servers)])
    assert len(answers) == 1
    assert errors == {"ValidationException": CLIENTS - 1}


def test_a_resource_is_there_at_once_for_every_server(servers: tuple[Server, Server]) -> None:
    one, two = (each.client() for each in servers)
    for number in range(20):
        made = model(one, f"m{number}")
        assert two.describe_model(ModelName=f"m{number}")["ModelArn"] == made["ModelArn"]
        two.delete_model(ModelName=f"m{number}")
        assert one.list_models()["Models"] == []


def test_no_update_of_many_is_lost(servers: tuple[Server, Server]) -> None:
    servers[0].client().create_trial_component(TrialComponentName="run")
    answers, errors = at_once(
        [
            lambda client=client, number=number: client.update_trial_component(
                TrialComponentName="run", Parameters={f"p{number}": {"NumberValue": number}}
            )
            for number, client in enumerate(spread(servers))
        ]
    )
    assert (len(answers), errors) == (CLIENTS, {})
    described = servers[0].client().describe_trial_component(TrialComponentName="run")
    assert described["Parameters"] == {f"p{number}": {"NumberValue": float(number)} for number in range(CLIENTS)}


def test_what_many_add_to_a_model_package_is_all_there(servers: tuple[Server, Server]) -> None:
    servers[0].client().create_model_package_group(ModelPackageGroupName="g")
    package = (
        servers[0]
        .client()
        .create_model_package(ModelPackageGroupName="g", InferenceSpecification=SPECIFICATION)["ModelPackageArn"]
    )
    answers, errors = at_once(
        [
            lambda client=client, number=number: client.update_model_package(
                ModelPackageArn=package, CustomerMetadataProperties={f"k{number}": "v"}
            )
            for number, client in enumerate(spread(servers))
        ]
    )
    assert (len(answers), errors) == (CLIENTS, {})
    described = servers[0].client().describe_model_package(ModelPackageName=package)
    assert len(described["CustomerMetadataProperties"]) == CLIENTS


def test_tags_of_many_are_all_there(servers: tuple[Server, Server]) -> None:
    arn = model(servers[0].client(), "m")["ModelArn"]
    _, errors = at_once(
        [
            lambda client=client, number=number: client.add_tags(
                ResourceArn=arn, Tags=[{"Key": f"k{number}", "Value": "v"}, {"Key": "shared", "Value": str(number)}]
            )
            for number, client in enumerate(spread(servers))
        ]
    )
    assert errors == {}
    tags = servers[0].client().list_tags(ResourceArn=arn, MaxResults=100)["Tags"]
    assert len(tags) == CLIENTS + 1


def test_versions_that_many_register_are_numbered_without_gap_or_double(servers: tuple[Server, Server]) -> None:
    servers[0].client().create_model_package_group(ModelPackageGroupName="g")
    answers, errors = at_once(
        [
            lambda client=client: client.create_model_package(
                ModelPackageGroupName="g", InferenceSpecification=SPECIFICATION
            )
            for client in spread(servers)
        ]
    )
    assert errors == {}
    versions = sorted(int(each["ModelPackageArn"].rpartition("/")[2]) for each in answers)
    assert versions == list(range(1, CLIENTS + 1))


def test_the_same_token_at_once_makes_one_resource(servers: tuple[Server, Server]) -> None:
    servers[0].client().create_model_package_group(ModelPackageGroupName="g")
    answers, errors = at_once(
        [
            lambda client=client: client.create_model_package(
                ModelPackageGroupName="g", InferenceSpecification=SPECIFICATION, ClientToken="token"
            )
            for client in spread(servers)
        ]
    )
    assert errors == {}
    assert {each["ModelPackageArn"].rpartition("/")[2] for each in answers} == {"1"}
    assert len(servers[0].client().list_model_packages(ModelPackageGroupName="g")["ModelPackageSummaryList"]) == 1


def test_many_creates_at_once_do_not_exceed_a_quota(servers: tuple[Server, Server]) -> None:
    limited = [each.limited(Model=5).client() for each in servers]
    answers, errors = at_once([lambda client=limited[n % 2], n=n: model(client, f"m{n}") for n in range(CLIENTS)])
    assert (len(answers), errors) == (5, {"ResourceLimitExceeded": CLIENTS - 5})


def test_a_parent_that_is_deleted_leaves_no_orphan(servers: tuple[Server, Server]) -> None:
    one = servers[0].client()

    def race(parent: str) -> Counter[str]:
        def step(number: int, client: Any) -> Any:
            if number == 0:
                return client.delete_experiment(ExperimentName=parent)
            return client.create_trial(TrialName=f"{parent}-{number}", ExperimentName=parent)

        calls = [lambda each=each: step(*each) for each in enumerate(spread(servers)[:4])]
        return at_once(calls)[1]

    for number in range(10):
        parent = f"e{number}"
        one.create_experiment(ExperimentName=parent)
        assert race(parent).keys() <= {"ValidationException", "ResourceNotFound"}
        trials = [each["TrialName"] for each in one.list_trials(MaxResults=100)["TrialSummaries"]]
        left = [] if _there(one.describe_experiment, ExperimentName=parent) else trials
        assert [each for each in left if each.startswith(f"{parent}-")] == []


def _there(describe: Callable[..., Any], **name: str) -> bool:
    try:
        describe(**name)
    except ClientError:
        return False
    return True


class Mixed:
    """One client that does what it likes with few names that all others use as well."""

    def __init__(
        self, client: Any, seed: int, kinds: Sequence[str] = ("model", "repository", "experiment", "group")
    ) -> None:
        self.client = client
        self.random = random.Random(seed)
        self.kinds = kinds
        self.codes: Counter[str] = Counter()

    def run(self, calls: int) -> Counter[str]:
        for _ in range(calls):
            verb = self.random.choice(("create", "create", "update", "delete", "list", "describe", "tag"))
            try:
                getattr(self, f"_{self.random.choice(self.kinds)}")(verb, f"n{self.random.randrange(6)}")
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                code = error.response["Error"]["Code"]
                self.codes[code if status < 500 and code in EXPECTED else f"{status} {code}: {error}"] += 1
            else:
                self.codes["answered"] += 1
        return self.codes

    def _model(self, verb: str, name: str) -> None:
        match verb:
            case "create":
                model(self.client, name)
            case "delete":
                self.client.delete_model(ModelName=name)
            case "describe" | "update":
                assert self.client.describe_model(ModelName=name)["ModelName"] == name
            case "tag":
                self._tag(f"model/{name}")
            case "list":
                self._list("list_models", "Models", "ModelName")

    def _repository(self, verb: str, name: str) -> None:
        match verb:
            case "create":
                self.client.create_code_repository(
                    CodeRepositoryName=name, GitConfig={"RepositoryUrl": "https://example.com/r.git"}
                )
            case "update":
                secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:s{self.random.randrange(9)}"
                self.client.update_code_repository(CodeRepositoryName=name, GitConfig={"SecretArn": secret})
            case "delete":
                self.client.delete_code_repository(CodeRepositoryName=name)
            case "describe":
                self.client.describe_code_repository(CodeRepositoryName=name)
            case "tag":
                self._tag(f"code-repository/{name}")
            case "list":
                self._list("list_code_repositories", "CodeRepositorySummaryList", "CodeRepositoryName")

    def _experiment(self, verb: str, name: str) -> None:
        match verb:
            case "create" if self.random.random() < 0.5:
                self.client.create_trial(TrialName=name, ExperimentName=name)
            case "create":
                self.client.create_experiment(ExperimentName=name)
            case "update":
                self.client.update_experiment(ExperimentName=name, Description=str(self.random.random()))
            case "delete" if self.random.random() < 0.5:
                self.client.delete_trial(TrialName=name)
            case "delete":
                self.client.delete_experiment(ExperimentName=name)
            case "describe":
                self.client.describe_trial(TrialName=name)
            case "tag":
                self._tag(f"experiment/{name}")
            case "list":
                self._list("list_experiments", "ExperimentSummaries", "ExperimentName")

    def _group(self, verb: str, name: str) -> None:
        match verb:
            case "create" if self.random.random() < 0.5:
                self.client.create_model_package(ModelPackageGroupName=name, InferenceSpecification=SPECIFICATION)
            case "create":
                self.client.create_model_package_group(ModelPackageGroupName=name)
            case "update":
                self.client.update_model_package(
                    ModelPackageArn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{name}/1",
                    ModelApprovalStatus=self.random.choice(("Approved", "Rejected")),
                )
            case "delete" if self.random.random() < 0.5:
                self.client.delete_model_package(
                    ModelPackageName=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{name}/1"
                )
            case "delete":
                self.client.delete_model_package_group(ModelPackageGroupName=name)
            case "describe":
                self.client.describe_model_package_group(ModelPackageGroupName=name)
            case "tag":
                self._tag(f"model-package-group/{name}")
            case "list":
                self._list("list_model_package_groups", "ModelPackageGroupSummaryList", "ModelPackageGroupName")

    def _tag(self, resource: str) -> None:
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"
        self.client.add_tags(ResourceArn=arn, Tags=[{"Key": f"k{self.random.randrange(5)}", "Value": "v"}])

    def _list(self, operation: str, member: str, name: str) -> None:
        names = [each[name] for each in getattr(self.client, operation)(MaxResults=100)[member]]
        assert len(names) == len(set(names)), names


def let_loose(clients: Sequence[Any], calls: int) -> Counter[str]:
    """How often every client was answered, and how often it was refused by which code."""
    total: Counter[str] = Counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        for codes in pool.map(lambda each: Mixed(each[1], each[0]).run(calls), enumerate(clients)):
            total += codes
    return total


def test_many_clients_on_the_same_names_see_no_error_of_ours(servers: tuple[Server, Server]) -> None:
    seen = let_loose(spread(servers), calls=40)
    assert seen.keys() <= {"answered", *EXPECTED}, seen
    assert seen.total() == CLIENTS * 40
    one, two = (each.client() for each in servers)
    for operation in ("list_models", "list_code_repositories", "list_experiments", "list_trials"):
        answers = [getattr(each, operation)(MaxResults=100) for each in (one, two)]
        for each in answers:
            del each["ResponseMetadata"]
        assert answers[0] == answers[1]
    for trial in one.list_trials(MaxResults=100)["TrialSummaries"]:
        one.describe_experiment(ExperimentName=one.describe_trial(TrialName=trial["TrialName"])["ExperimentName"])
    with servers[0].home.store.read() as tx:
        cursor, number = None, 0
        while (page := tx.events(cursor)).events:
            cursor, number = page.cursor, number + len(page.events)
    assert number > 0


def test_the_audit_trail_has_every_call_of_many_clients(servers: tuple[Server, Server]) -> None:
    answers, errors = at_once(
        [lambda client=client, n=n: model(client, f"m{n // 2}") for n, client in enumerate(spread(servers))]
    )
    assert (len(answers), errors) == (CLIENTS // 2, {"ValidationException": CLIENTS // 2})
    pages = servers[1].client("cloudtrail").get_paginator("lookup_events").paginate()
    names = Counter(event["Resources"][0]["ResourceName"] for page in pages for event in page["Events"])
    assert names == {f"m{number}": 2 for number in range(CLIENTS // 2)}


class Counting:
    """A reconciler whose steps must not overlap for one document."""

    kind = "counted"

    def __init__(self, steps: Counter[str], inside: set[str], overlapped: list[str]) -> None:
        self.steps, self.inside, self.overlapped = steps, inside, overlapped
        self.lock = threading.Lock()

    def recover(self, home: Home) -> None:
        """Nothing is left behind."""

    def step(self, home: Home, document: Document) -> float | None:
        with self.lock:
            if document.key in self.inside:
                self.overlapped.append(document.key)
            self.inside.add(document.key)
        with home.store.write() as tx:
            stored = tx.get(document.kind, document.region, document.key)
            assert stored is not None
            tx.update(
                Document(**{f: getattr(stored, f) for f in stored.__slots__} | {"body": {"n": stored.body["n"] + 1}})
            )
        with self.lock:
            self.inside.discard(document.key)
            self.steps[document.key] += 1
        return 0.0 if self.steps[document.key] < 5 else None


def test_reconcile_loops_of_two_servers_take_each_step_once(servers: tuple[Server, Server]) -> None:
    keys = [f"k{number}" for number in range(12)]
    reconciler = Counting(Counter(), set(), [])
    loops = [ReconcileLoop(each.home, [reconciler]) for each in servers]
    with servers[0].home.store.write() as tx:
        for key in keys:
            tx.create(Document("counted", REGION, key, key, "", {"n": 0}))
            tx.schedule("counted", REGION, key, time.time())
    for each in loops:
        each.start()
    try:
        deadline = time.monotonic() + 60
        while any(reconciler.steps[key] < 5 for key in keys):
            assert time.monotonic() < deadline, reconciler.steps
            threading.Event().wait(0.01)
    finally:
        for each in loops:
            each.stop()
    assert reconciler.overlapped == []
    with servers[1].home.store.read() as tx:
        counts = {key: tx.get("counted", REGION, key).body["n"] for key in keys}  # type: ignore[union-attr]
    assert counts == dict(reconciler.steps) == dict.fromkeys(keys, 5)


DIES_BEFORE_ITS_ANSWER = """
import os, signal, sys
from pathlib import Path
from tests.integration.servers import SPECIFICATION, Server

server = Server(Path(sys.argv[1]), sys.argv[2])
answer = server.dispatcher.dispatch

def dispatch(*request):
    response = answer(*request)
    os.write(1, b"committed" if response.status == 200 else response.body)
    os.kill(os.getpid(), signal.SIGKILL)

server.dispatcher.dispatch = dispatch
server.client().create_model_package(
    ModelPackageGroupName="g", InferenceSpecification=SPECIFICATION, ClientToken="token"
)
"""


def test_a_create_whose_answer_was_lost_is_one_when_it_is_tried_again(
    servers: tuple[Server, Server], url: str, tmp_path: Path
) -> None:
    client = servers[0].client()
    client.create_model_package_group(ModelPackageGroupName="g")
    killed = subprocess.run(
        [sys.executable, "-c", DIES_BEFORE_ITS_ANSWER, str(tmp_path / "killed"), url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout == b"committed"
    again = client.create_model_package(
        ModelPackageGroupName="g", InferenceSpecification=SPECIFICATION, ClientToken="token"
    )
    (listed,) = client.list_model_packages(ModelPackageGroupName="g")["ModelPackageSummaryList"]
    assert again["ModelPackageArn"] == listed["ModelPackageArn"]
    events = (
        servers[0]
        .client("cloudtrail")
        .lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateModelPackage"}])[
            "Events"
        ]
    )
    assert len(events) == 2


@pytest.mark.timeout(180)
def test_many_real_clients_see_no_error_of_ours(platform: Running) -> None:
    config = Config(max_pool_connections=CLIENTS, retries={"max_attempts": 0})
    client = platform.client("sagemaker", config=config)
    seen = let_loose([client] * CLIENTS, calls=15)
    assert seen.keys() <= {"answered", *EXPECTED}, seen
    assert seen.total() == CLIENTS * 15
