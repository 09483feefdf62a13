"""Time series: statistic sets by metric, moment and unit, which become coarser as they grow old."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sagesmith.store import Datum, InvalidToken, Metric, MetricQuery, StatisticSet, Store, VersionConflict, Window
from sagesmith.store.statisticsets import MAX_SAMPLES, merged
from sagesmith.store.timeseries import DAY, HOUR

REGION = "us-east-1"
LOSS = Metric("/jobs", "loss", (("Job", "a"),))
NOW = int(time.time())
TODAY = NOW // HOUR * HOUR - HOUR


def datum(at: int, *values: float, metric: Metric = LOSS, unit: str = "None") -> Datum:
    return Datum(metric, at, unit, StatisticSet.of(values))


def window(start: int = TODAY, seconds: int = 600, period: int = 60, **more: object) -> Window:
    return Window(start, start + seconds, period, **more)  # type: ignore[arg-type]


def put(store: Store, *data: Datum, region: str = REGION) -> None:
    with store.write() as tx:
        tx.put_statistics(region, data)


def rows(store: Store, asked: Window, metric: Metric = LOSS) -> list[tuple[int, str, StatisticSet]]:
    with store.read() as tx:
        return [(each.at, each.unit, each.values) for each in tx.statistics(REGION, metric, asked)]


def test_values_of_a_period_are_one_set(store: Store) -> None:
    put(store, datum(TODAY, 1.0), datum(TODAY + 1, 3.0, 5.0), datum(TODAY + 59, 7.0), datum(TODAY + 60, 100.0))
    put(store, datum(TODAY + 1, 4.0))
    assert rows(store, window()) == [
        (TODAY, "None", StatisticSet(5, 20.0, 1.0, 7.0)),
        (TODAY + 60, "None", StatisticSet(1, 100.0, 100.0, 100.0)),
    ]
    (first, second) = rows(store, window(samples=True))
    assert first[2] == StatisticSet(5, 20.0, 1.0, 7.0, {1.0: 1, 3.0: 1, 5.0: 1, 4.0: 1, 7.0: 1})
    assert second[2].samples == {100.0: 1}


def test_periods_begin_where_the_window_does_and_its_end_is_not_in_it(store: Store) -> None:
    put(store, *(datum(TODAY + second, float(second)) for second in range(0, 300, 60)))
    found = rows(store, window(TODAY + 60, 180, period=120))
    assert [(at, each.sum) for at, _, each in found] == [(TODAY + 60, 60.0 + 120.0), (TODAY + 180, 180.0)]


@pytest.mark.parametrize("samples", [False, True])
def test_a_window_may_be_read_from_its_end_and_in_parts(store: Store, samples: bool) -> None:
    put(store, *(datum(TODAY + second, float(second)) for second in range(0, 300, 60)))
    found = rows(store, window(descending=True, limit=2, samples=samples))
    assert [at - TODAY for at, _, _ in found] == [240, 180]


@pytest.mark.parametrize("samples", [False, True])
def test_units_are_sets_of_their_own(store: Store, samples: bool) -> None:
    put(store, datum(TODAY, 1.0, unit="Seconds"), datum(TODAY, 2.0, unit="Count"), datum(TODAY + 1, 3.0, unit="Count"))
    assert [(unit, each.sum) for _, unit, each in rows(store, window(samples=samples))] == [
        ("Count", 5.0),
        ("Seconds", 1.0),
    ]
    assert [each.sum for _, _, each in rows(store, window(unit="Seconds", samples=samples))] == [1.0]
    assert rows(store, window(unit="Bytes", samples=samples)) == []


def test_metrics_are_told_apart_by_region_namespace_name_and_dimensions(store: Store) -> None:
    others = [
        Metric("/other", "loss", LOSS.dimensions),
        Metric("/jobs", "auc", LOSS.dimensions),
        Metric("/jobs", "loss"),
    ]
    put(store, datum(TODAY, 1.0), *(datum(TODAY, 9.0, metric=other) for other in others))
    put(store, datum(TODAY, 5.0), region="eu-west-1")
    assert [each.sum for _, _, each in rows(store, window())] == [1.0]
    assert rows(store, window(), Metric("/jobs", "loss", (("Job", "b"),))) == []


def test_what_is_not_known_value_by_value_has_no_samples(store: Store) -> None:
    put(
        store,
        Datum(LOSS, TODAY, "None", StatisticSet(3, 6.0, 1.0, 3.0)),
        Datum(LOSS, TODAY + 60, "None", StatisticSet(2, 8.0, 4.0, 4.0)),
    )
    put(store, datum(TODAY, 2.0))
    assert [each.samples for _, _, each in rows(store, window(samples=True))] == [None, {4.0: 2}]


def test_a_set_keeps_a_bounded_number_of_samples_that_are_close_to_its_values() -> None:
    values = [float(number) for number in range(1, 100_001)]
    kept = merged([StatisticSet.of(values[:50_000]), StatisticSet.of(values[50_000:]), StatisticSet.of([0.0, -5.0])])
    assert kept.samples is not None
    assert len(kept.samples) <= MAX_SAMPLES
    assert sum(kept.samples.values()) == kept.count == 100_002
    middle = 0.0
    for value, count in sorted(kept.samples.items()):
        middle += count
        if middle >= 50_000:
            assert value == pytest.approx(50_000, rel=0.05)
            break


def test_metrics_are_listed_by_what_they_are_and_in_pages(store: Store) -> None:
    put(
        store,
        *(
            datum(TODAY, 1.0, metric=Metric("/jobs", name, (("Host", f"{job}/1"), ("Job", job))))
            for job in "ab"
            for name in ("cpu", "loss")
        ),
    )
    put(store, datum(NOW - 20 * DAY, 1.0, metric=Metric("/jobs", "old")), datum(TODAY, 1.0, metric=Metric("/x", "cpu")))

    def names(**asked: object) -> list[str]:
        with store.read() as tx:
            found, token = tx.metrics(MetricQuery(REGION, **asked))  # type: ignore[arg-type]
        assert token is None
        return [f"{each.name}:{dict(each.dimensions).get('Job', '')}" for each in found]

    assert sorted(names()) == ["cpu:", "cpu:a", "cpu:b", "loss:a", "loss:b", "old:"]
    assert sorted(names(active_since=TODAY - 60)) == ["cpu:", "cpu:a", "cpu:b", "loss:a", "loss:b"]
    assert sorted(names(namespace="/jobs", name="cpu")) == ["cpu:a", "cpu:b"]
    assert sorted(names(dimensions=[("Job", "a")])) == ["cpu:a", "loss:a"]
    assert sorted(names(dimensions=[("Job", None), ("Host", "b/1")])) == ["cpu:b", "loss:b"]
    assert names(dimensions=[("Job", "c")]) == []
    with store.read() as tx:
        first, token = tx.metrics(MetricQuery(REGION, limit=4))
        second, last = tx.metrics(MetricQuery(REGION, limit=4, token=token))
        assert (len(first), len(set(first + second)), last) == (4, 6, None)
        with pytest.raises(InvalidToken):
            tx.metrics(MetricQuery(REGION, token="x"))


def test_data_become_coarser_with_age_and_lose_no_value(store: Store) -> None:
    put(store, *(datum(TODAY + second, float(second), float(second) + 0.5) for second in range(0, 180, 30)))
    with store.write() as tx:
        assert tx.roll_up_statistics(TODAY, TODAY + 120, 60, 0, 100) is None
    assert [(at - TODAY, each.count) for at, _, each in rows(store, window(period=1, samples=True))] == [
        (0, 4),
        (60, 4),
        (120, 2),
        (150, 2),
    ]
    assert rows(store, window(period=60, samples=True))[0][2].samples == {0.0: 1, 0.5: 1, 30.0: 1, 30.5: 1}
    with store.write() as tx:
        assert tx.roll_up_statistics(TODAY, TODAY + 120, 60, 0, 100) is None
    assert rows(store, window(period=60))[0][2].count == 4


def test_series_are_rolled_up_a_few_at_a_time(store: Store) -> None:
    names = [Metric("/jobs", f"m{number}") for number in range(5)]
    put(store, *(datum(TODAY + second, 1.0, metric=metric) for metric in names for second in (1, 2)))
    after: int | None = 0
    turns = 0
    while after is not None:
        with store.write() as tx:
            after = tx.roll_up_statistics(TODAY, TODAY + 60, 60, after, 4)
        turns += 1
    assert turns == 3
    assert [[at for at, _, _ in rows(store, window(period=1), metric)] for metric in names] == [[TODAY]] * 5


def test_what_comes_late_is_kept_as_if_it_had_come_in_time(store: Store) -> None:
    ages = (4 * HOUR, 16 * DAY, 64 * DAY)
    put(store, *(datum(NOW - age, 1.0) for age in ages))
    found = rows(store, Window(NOW - 100 * DAY, NOW, 1))
    periods = dict(zip(ages, (60, 300, 3600), strict=True))
    assert [at for at, _, _ in found] == [(NOW - age) // periods[age] * periods[age] for age in reversed(ages)]


def test_old_data_are_removed_with_series_that_have_no_others(store: Store) -> None:
    gone = Metric("/jobs", "gone", (("Job", "z"),))
    put(store, datum(NOW - 3 * DAY, 1.0), datum(TODAY, 2.0), datum(NOW - 3 * DAY, 1.0, metric=gone))
    with store.write() as tx:
        after = tx.prune_statistics(NOW - 2 * DAY, 0, 1)
        assert after is not None
        assert tx.prune_statistics(NOW - 2 * DAY, after, 10) is None
    assert [each.sum for _, _, each in rows(store, Window(0, NOW, 60))] == [2.0]
    with store.read() as tx:
        assert tx.metrics(MetricQuery(REGION, dimensions=[("Job", None)]))[0] == [LOSS]
    put(store, datum(TODAY, 7.0, metric=gone))
    assert [each.sum for _, _, each in rows(store, window(), gone)] == [7.0]


def test_a_source_is_read_by_one_at_a_time(store: Store) -> None:
    with store.write() as tx:
        tx.put_statistics(REGION, [datum(TODAY, 1.0)])
        tx.advance_statistics("task", 0, 10)
    with pytest.raises(VersionConflict), store.write() as tx:
        tx.put_statistics(REGION, [datum(TODAY, 1.0)])
        tx.advance_statistics("task", 0, 10)
    with store.read() as tx:
        assert tx.statistics_offset("task") == 10
    assert rows(store, window())[0][2].count == 1
    with store.write() as tx:
        tx.forget_statistics_sources(NOW + HOUR)
        assert tx.statistics_offset("task") == 0


def test_data_that_come_while_they_are_rolled_up_are_not_lost(store: Store) -> None:
    old = NOW // 3600 * 3600 - 5 * HOUR
    wide = Datum(LOSS, old, "None", StatisticSet.of([1.0]))
    put(store, wide)

    def late() -> None:
        for _ in range(20):
            with store.write() as tx:
                tx.put_statistics(REGION, [datum(old + 60, 1.0)])

    with ThreadPoolExecutor(1) as pool:
        putting = pool.submit(late)
        while not putting.done():
            with store.write() as tx:
                tx.roll_up_statistics(old, old + 300, 300, 0, 100)
        putting.result()
    assert [each.count for _, _, each in rows(store, window(old, 300, period=300))] == [21]
