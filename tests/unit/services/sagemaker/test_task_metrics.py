"""What tasks measure comes into CloudWatch while they run, once and whole."""

import statistics
import time

import pytest

from sagesmith.compute.base import MetricSample
from sagesmith.services import sagemaker_metrics
from sagesmith.services.sagemaker import task_metrics
from sagesmith.services.sagemaker.task_metrics import Measured, collect_metrics
from sagesmith.store import Metric, MetricQuery, VersionConflict, Window
from sagesmith.wire.app import Dispatcher
from tests.unit.services.sagemaker.world import REGION, World, training_job
from tests.unit.wire.clients import client_for

NOW = int(time.time())
SPACE = "/aws/sagemaker/TrainingJobs"
LOSS = Metric(SPACE, "loss", (("TrainingJobName", "job"),))


def values(world: World, metric: Metric = LOSS) -> list[tuple[int, str, float, float]]:
    with world.store.read() as tx:
        found = tx.statistics(REGION, metric, Window(NOW - 600, NOW + 60, 1))
    return [(each.at, each.unit, each.values.count, each.values.sum) for each in found]


def test_metrics_of_a_job_are_there_while_it_runs_and_all_of_them_at_its_end(world: World) -> None:
    world.call("CreateTrainingJob", **training_job("job"))
    world.turn()
    task = world.backend.only()
    task.say("Training")
    task.samples += [MetricSample("loss", NOW - 9, [0.5]), MetricSample("loss", NOW - 9, [0.25, 0.75])]
    world.turn()
    assert values(world) == [(NOW - 9, "None", 3.0, 1.5)]
    task.samples += [MetricSample("loss", NOW - each, [1.0]) for each in range(8, 1, -1)]
    minute = NOW // 60 * 60 - 60
    task.samples.append(MetricSample("CPUUtilization", minute, [50.0, 150.0], of_host=True))
    task.say("Completed", model_artifacts="s3://out/job/output/model.tar.gz")
    world.turn()
    assert len(values(world)) == 8
    of_host = Metric(SPACE, "CPUUtilization", (("Host", "job/algo-1"),))
    assert values(world, of_host) == [(minute, "Percent", 2.0, 200.0)]
    with world.store.read() as tx:
        assert sorted(each.name for each in tx.metrics(MetricQuery(REGION))[0]) == ["CPUUtilization", "loss"]


def test_samples_that_another_process_has_stored_meanwhile_are_not_stored_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.call("CreateTrainingJob", **training_job("job"))
    world.turn()
    task = world.backend.only()
    task.samples.append(MetricSample("loss", NOW - 9, [0.5]))
    measured = Measured(REGION, SPACE, {"Host": "job/algo-1"}, {"TrainingJobName": "job"})
    read = world.backend.read_metrics

    def read_late(task_id: str, offset: int) -> tuple[list[MetricSample], int]:
        found = read(task_id, offset)
        monkeypatch.setattr(world.backend, "read_metrics", read)
        assert task_metrics.collect_metrics(world.home, task_id, measured)
        return found

    monkeypatch.setattr(world.backend, "read_metrics", read_late)
    assert collect_metrics(world.home, task.spec.id, measured)
    assert values(world) == [(NOW - 9, "None", 1.0, 0.5)]
    with pytest.raises(VersionConflict), world.store.write() as tx:
        tx.advance_statistics(task.spec.id, 0, 1)


def test_the_component_of_a_job_sums_up_its_metrics_and_has_their_series(world: World) -> None:
    world.call("CreateTrainingJob", **training_job("job"))
    world.turn()
    task = world.backend.only()
    hour = NOW // 3600 * 3600 - 3600
    task.samples += [MetricSample("loss", hour + second, [float(second)]) for second in (0, 10, 60)]
    final = [{"MetricName": "loss", "Value": 60.0, "Timestamp": hour + 60.0}]
    task.say("Completed", model_artifacts="s3://out/job/output/model.tar.gz", metrics=final)
    world.turn()
    component = world.call("DescribeTrialComponent", TrialComponentName="job-aws-training-job")
    (summary,) = component["Metrics"]
    assert (summary["Min"], summary["Max"], summary["Last"], summary["Count"]) == (0.0, 60.0, 60.0, 3)
    assert summary["Avg"] == pytest.approx(70 / 3)
    assert summary["StdDev"] == pytest.approx(statistics.pstdev([0.0, 10.0, 60.0]))
    client = client_for("sagemaker-metrics", Dispatcher({"sagemaker-metrics": sagemaker_metrics.handlers(world.home)}))
    query = {
        "MetricName": "loss",
        "ResourceArn": component["TrialComponentArn"],
        "MetricStat": "Last",
        "Period": "OneMinute",
        "XAxisType": "Timestamp",
    }

    def last(**more: int) -> list[float]:
        (result,) = client.batch_get_metrics(MetricQueries=[{**query, **more}])["MetricQueryResults"]
        values: list[float] = result["MetricValues"]
        return values

    assert last() == [10.0, 60.0]
    assert last(Start=hour + 1, End=hour + 59) == [10.0]
    assert last(Start=hour + 5000) == []
