"""Runs that many workers log to, change and group at once, on SQLite and on PostgreSQL."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sagesmith.services import sagemaker_metrics
from sagesmith.services.sagemaker import handlers
from sagesmith.store import Store
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.home import home_in
from tests.unit.wire.clients import request_context

WORKERS = 16
CALLS = 30
TRIALS = [f"trial-{number}" for number in range(3)]
RUNS = [f"run-{number}" for number in range(3)]


class Platform:
    """The handlers of SageMaker and of its metrics on one store."""

    def __init__(self, directory: Path, url: str) -> None:
        home = home_in(directory)
        home.store.close()
        self.store = Store.open(url)
        home = replace(home, store=self.store)
        self._operations = {**handlers(home), **sagemaker_metrics.handlers(home)}

    def call(self, operation: str, **params: object) -> Params:
        return self._operations[operation](replace(request_context("sagemaker"), operation=operation), dict(params))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def platform_on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/runs.db" if sqlite else request.getfixturevalue("empty_postgres")
    platform = Platform(tmp_path, url)
    platform.call("CreateExperiment", ExperimentName="churn")
    for trial in TRIALS:
        platform.call("CreateTrial", TrialName=trial, ExperimentName="churn")
    for run in RUNS:
        platform.call("CreateTrialComponent", TrialComponentName=run)
    yield platform
    platform.store.close()


def test_no_metric_parameter_or_trial_is_lost_among_many_workers(platform_on: Platform) -> None:
    def work(worker: int) -> tuple[int, int]:
        """Returns how many batches were put, and parameters added."""
        chance, logged, added = random.Random(worker), 0, 0
        for number in range(CALLS):
            trial, run = chance.choice(TRIALS), chance.choice(RUNS)
            names = {"TrialName": trial, "TrialComponentName": run}
            try:
                match chance.randrange(5):
                    case 0 | 1:
                        points = [{"MetricName": name, "Timestamp": time.time(), "Value": 1.0} for name in ("b", "a")]
                        chance.shuffle(points)
                        platform_on.call("BatchPutMetrics", TrialComponentName=RUNS[0], MetricData=points)
                        logged += 1
                    case 2:
                        parameter = {f"{worker}-{number}": {"NumberValue": 1.0}}
                        platform_on.call("UpdateTrialComponent", TrialComponentName=RUNS[0], Parameters=parameter)
                        added += 1
                    case 3:
                        association = chance.choice(["AssociateTrialComponent", "DisassociateTrialComponent"])
                        platform_on.call(association, **names)
                    case _:
                        platform_on.call("DeleteTrial", TrialName=trial)
                        platform_on.call("CreateTrial", TrialName=trial, ExperimentName="churn")
            except AwsError as error:
                assert error.code in ("ResourceNotFound", "ValidationException"), error.message
        return logged, added

    with ThreadPoolExecutor(WORKERS) as workers:
        logged, added = map(sum, zip(*workers.map(work, range(WORKERS)), strict=True))
    described = platform_on.call("DescribeTrialComponent", TrialComponentName=RUNS[0])
    assert {each["MetricName"]: each["Count"] for each in described["Metrics"]} == {"a": logged, "b": logged}
    with platform_on.store.read() as tx:
        assert len(tx.metric_points(described["TrialComponentArn"], "a")) == logged
    assert len(described["Parameters"]) == added
    there = {each["TrialName"] for each in platform_on.call("ListTrials")["TrialSummaries"]}
    for run in RUNS:
        of_run = platform_on.call("ListTrials", TrialComponentName=run)["TrialSummaries"]
        assert {each["TrialName"] for each in of_run} <= there
