"""What routers note of predictions, on its way into CloudWatch's metrics."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagesmith.gateway.asynchronous.backlog import Backlog
from sagesmith.gateway.asynchronous.metering import AsyncMeter
from sagesmith.gateway.asynchronous.records import Entry
from sagesmith.gateway.metering import Meter
from sagesmith.routes import AsyncRoute, EndpointRoute, VariantRoute
from sagesmith.services.sagemaker.invocation_metrics import NAMESPACE, InvocationMetrics
from sagesmith.store import Aggregate, Metric, Store, Window
from tests.stores import new_store

REGION = "us-east-1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = new_store(tmp_path / "store.db")
    yield made
    made.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "invocations"


def note(meter: Meter, status: int = 200, milliseconds: float = 2.0, instances: int = 2) -> None:
    model = None if status == 503 else milliseconds / 1000
    meter.note(REGION, "ep", "A", instances, status, model, (milliseconds + 1) / 1000)


def found(store: Store, name: str) -> Aggregate:
    now = int(time.time())
    metric = Metric(NAMESPACE, name, (("EndpointName", "ep"), ("VariantName", "A")))
    with store.read() as tx:
        (aggregate,) = tx.statistics(REGION, metric, Window(now - 300, now + 300, 600, samples=True))
    return aggregate


def test_invocations_errors_and_latencies_become_metrics(store: Store, directory: Path) -> None:
    meter = Meter(directory)
    for status, milliseconds in ((200, 2.0), (200, 4.0), (400, 10.0), (503, 0.0)):
        note(meter, status, milliseconds)
    meter.flush()
    InvocationMetrics(store, directory).take_in()
    assert found(store, "Invocations").values.sum == 4
    assert found(store, "InvocationsPerInstance").values.sum == 2
    errors = {name: found(store, name).values for name in ("Invocation4XXErrors", "Invocation5XXErrors")}
    assert {name: (each.sum, each.count) for name, each in errors.items()} == {
        "Invocation4XXErrors": (1, 4),
        "Invocation5XXErrors": (1, 4),
    }
    assert found(store, "InvocationModelErrors").values.sum == 1, "one was never sent to a model"
    latency = found(store, "ModelLatency")
    assert (latency.unit, latency.values.count) == ("Microseconds", 3), "one was never sent to a model"
    assert latency.values.sum == pytest.approx(16_000)
    assert (latency.values.minimum, latency.values.maximum) == (pytest.approx(2_000), pytest.approx(10_000))
    assert found(store, "OverheadLatency").values.sum == pytest.approx(3_000)


def test_what_was_taken_in_once_is_not_taken_in_again(store: Store, directory: Path) -> None:
    meter = Meter(directory)
    for _ in range(3):
        note(meter)
        meter.flush()
        InvocationMetrics(store, directory).take_in()
    InvocationMetrics(store, directory).take_in()
    assert found(store, "Invocations").values.sum == 3


def test_half_a_line_waits_for_its_end(store: Store, directory: Path) -> None:
    meter = Meter(directory)
    note(meter)
    meter.flush()
    (path,) = directory.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    metrics = InvocationMetrics(store, directory)
    metrics.take_in()
    assert "sagesmith_invocations_total{" not in metrics.prometheus()
    path.write_bytes(whole)
    metrics.take_in()
    assert found(store, "Invocations").values.sum == 1
    assert (
        'sagesmith_invocations_total{region="us-east-1",endpoint="ep",variant="A",status="2xx"} 1'
        in metrics.prometheus()
    )


def test_a_file_goes_when_it_is_whole_and_was_taken_in(store: Store, directory: Path) -> None:
    meter = Meter(directory)
    note(meter)
    meter.flush()
    (path,) = directory.iterdir()
    metrics = InvocationMetrics(store, directory)
    metrics.take_in()
    assert path.exists()
    os.utime(path, (time.time() - 300,) * 2)
    metrics.take_in()
    assert not path.exists()
    assert found(store, "Invocations").values.sum == 1


def test_ten_thousand_latencies_are_a_few_samples_and_an_exact_sum(store: Store, directory: Path) -> None:
    meter = Meter(directory)
    for number in range(10_000):
        note(meter, milliseconds=1 + number / 1000)
    meter.flush()
    assert sum(path.stat().st_size for path in directory.iterdir()) < 20_000
    InvocationMetrics(store, directory).take_in()
    values = found(store, "ModelLatency").values
    assert values.sum == pytest.approx(sum(1000 + number for number in range(10_000)))
    assert values.count == 10_000


@pytest.mark.parametrize(("status", "kind"), [(404, "4XX"), (500, "5XX"), (0, "5XX")])
def test_errors_are_told_apart_by_what_the_model_answered(
    store: Store, directory: Path, status: int, kind: str
) -> None:
    meter = Meter(directory)
    note(meter, status)
    meter.flush()
    InvocationMetrics(store, directory).take_in()
    sums = {each: found(store, f"Invocation{each}Errors").values.sum for each in ("4XX", "5XX")}
    assert sums == {"4XX": float(kind == "4XX"), "5XX": float(kind == "5XX")}
    assert found(store, "InvocationModelErrors").values.sum == 1


def test_a_damaged_line_is_left_out_and_the_others_count(store: Store, directory: Path) -> None:
    meter = Meter(directory)
    note(meter)
    meter.flush()
    (path,) = directory.iterdir()
    path.write_bytes(path.read_bytes() + b'{"at": 1, "reg\n' + path.read_bytes())
    InvocationMetrics(store, directory).take_in()
    assert found(store, "Invocations").values.sum == 2


def test_what_a_full_disk_refuses_is_written_when_there_is_room_again(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    meter = Meter(directory)
    note(meter)
    with monkeypatch.context() as patched:
        patched.setattr("sagesmith.gateway.metering.append_whole", full)
        meter.flush()
    note(meter)
    meter.flush()
    InvocationMetrics(store, directory).take_in()
    assert found(store, "Invocations").values.sum == 2


def test_invocations_of_many_models_tell_whether_their_model_was_loaded(store: Store, directory: Path) -> None:
    meter, variant = Meter(directory), VariantRoute("A", 1.0, ["unix:/a"], multi_model=True)
    for headers in ([], [], [], [(b"x-sagesmith-model-wait", b"1500")]):
        note(meter)
        meter.note_model(REGION, "ep", variant, headers)
    meter.flush()
    InvocationMetrics(store, directory).take_in()
    hits = found(store, "ModelCacheHit").values
    assert (hits.count, hits.sum) == (4, 3)
    waited = found(store, "ModelLoadingWaitTime")
    assert (waited.unit, waited.values.count, waited.values.sum) == ("Microseconds", 1, 1500)
    assert found(store, "Invocations").values.sum == 4


def test_asynchronous_requests_become_metrics_of_cloudwatch_and_of_prometheus(store: Store, directory: Path) -> None:
    meter = AsyncMeter(directory)
    route = EndpointRoute("ep", "InService", [VariantRoute("A", 1, [])], asynchronous=AsyncRoute(1, 4, "", ""))
    backlog = Backlog()
    backlog.add(Entry(int(time.time() * 1000), 10**13, "a"))
    meter.backlog(REGION, route, backlog)
    meter.flush()
    taken_in = InvocationMetrics(store, directory)
    taken_in.take_in()
    now = int(time.time())
    with store.read() as tx:
        for name, value in (("HasBacklogWithoutCapacity", 1.0), ("ApproximateBacklogSizePerInstance", 1.0)):
            metric = Metric(NAMESPACE, name, (("EndpointName", "ep"),))
            (aggregate,) = tx.statistics(REGION, metric, Window(now - 300, now + 300, 600))
            assert aggregate.values.maximum == value
    text = taken_in.prometheus()
    assert f'sagesmith_async_backlog{{region="{REGION}",endpoint="ep"}} 1\n' in text
