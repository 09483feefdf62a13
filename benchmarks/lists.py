"""What a page of a List costs among 100 and among 100,000 resources: by name, status, time, parent and source, in each
order. Every List finds at least ten resources at both sizes, and asks for ten, so that both pages are as long."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson

from benchmarks.control_plane import client_of, per_second
from benchmarks.figures import Figure, Figures, alternate
from benchmarks.search import job
from sagesmith.config import Platform
from sagesmith.store import Document, Store
from tests.integration.conftest import Running

FEW, MANY = 100, 100_000
REGIONS = {FEW: "ca-central-1", MANY: "ap-south-1"}
PAGE = 10
CALLS = 40
REACH = 0.5
_STARTED = 1_750_000_000
"""When the first job was created; one follows every 300 seconds."""

Asked = dict[str, Any]

LISTS: dict[str, tuple[str, Callable[[int], Asked]]] = {
    "ListTrainingJobs, newest first": ("list_training_jobs", lambda size: {"SortOrder": "Descending"}),
    "ListTrainingJobs, SortBy Name": ("list_training_jobs", lambda size: {"SortBy": "Name"}),
    "ListTrainingJobs, StatusEquals": ("list_training_jobs", lambda size: {"StatusEquals": "Failed"}),
    "ListTrainingJobs, StatusEquals, SortBy Name": (
        "list_training_jobs",
        lambda size: {"StatusEquals": "Stopped", "SortBy": "Name", "SortOrder": "Descending"},
    ),
    "ListTrainingJobs, NameContains": ("list_training_jobs", lambda size: {"NameContains": "-00002"}),
    "ListTrainingJobs, a window of times": (
        "list_training_jobs",
        lambda size: {"CreationTimeAfter": _STARTED + 300 * (size // 2), "NameContains": "5"},
    ),
    "ListTrials, ExperimentName": ("list_trials", lambda size: {"ExperimentName": f"experiment-{size // 20:06}"}),
    "ListArtifacts, SourceUri": ("list_artifacts", lambda size: {"SourceUri": f"s3://data/{size - 1:06}"}),
    "ListArtifacts, ArtifactType": ("list_artifacts", lambda size: {"ArtifactType": "DataSet"}),
}


def figures(platform: Running) -> Figures:
    clients = {}
    store = Store.open(Platform.load(platform.data).database_url)
    for size, region in REGIONS.items():
        clients[size] = client_of(platform, region)
        fill(store, clients[size], region, size)
    # A platform indexes what it stores itself.
    with store.read(indexed=True):
        pass
    store.close()
    for name, (operation, asked) in LISTS.items():
        many, few = alternate(*(_rounds(clients[size], operation, asked(size)) for size in (MANY, FEW)))
        yield Figure(f"{name}, of {MANY:,}", "/s", many, "times", REACH, few, f"{FEW} resources")


def _rounds(sagemaker: Any, operation: str, asked: Asked) -> Callable[[int], float]:
    call = getattr(sagemaker, operation)
    return lambda _: per_second(lambda _: call(MaxResults=PAGE, **asked), range(CALLS))


def fill(store: Store, sagemaker: Any, region: str, size: int) -> None:
    """Put jobs, trials and artifacts into a region: trials ten an experiment, artifacts with a source each."""
    sagemaker.create_experiment(ExperimentName="experiment-000000")
    trial = sagemaker.create_trial(TrialName="trial-000000", ExperimentName="experiment-000000")["TrialArn"]
    artifact = sagemaker.create_artifact(Source={"SourceUri": "s3://data/000000"}, ArtifactType="DataSet")
    experiment = sagemaker.describe_experiment(ExperimentName="experiment-000000")["ExperimentArn"]
    experiments = [{"experiment-000000": f"experiment-{number:06}"} for number in range(1, size // PAGE)]
    trials = [
        {"trial-000000": f"trial-{number:06}", "experiment-000000": f"experiment-{number // PAGE:06}"}
        for number in range(1, size)
    ]
    key = artifact["ArtifactArn"].rpartition("/")[2]
    artifacts = [{key: f"{number:032x}", "s3://data/000000": f"s3://data/{number:06}"} for number in range(1, size)]
    _store(store, (job(number, region) for number in range(size)))
    for arn, names in ((experiment, experiments), (trial, trials), (artifact["ArtifactArn"], artifacts)):
        _store(store, _copies(store, arn, names))


def _copies(store: Store, arn: str, names: list[dict[str, str]]) -> Iterator[Document]:
    """A resource that the platform made, once more for each of `names`, which say what is called otherwise."""
    with store.read() as tx:
        made = tx.get_by_arn(arn)
    assert made is not None
    members = ("key", "name", "arn", "parent", "body", "facets")
    text = orjson.dumps({member: getattr(made, member) for member in members}).decode()
    for replaced in names:
        copy = text
        for old, new in replaced.items():
            copy = copy.replace(old, new)
        yield replace(made, **orjson.loads(copy))


def _store(store: Store, documents: Iterator[Document]) -> None:
    batch = True
    while batch:
        with store.write() as tx:
            batch = False
            for _, document in zip(range(1_000), documents, strict=False):
                tx.create(document)
                batch = True
