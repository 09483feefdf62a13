"""Metrics: points in the order of their time, by resource and name."""

from sagesmith.store import MetricPoint, Store

ARN = "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/run"
OTHER = f"{ARN}-2"


def test_points_are_in_the_order_of_their_time_and_then_as_they_came(store: Store) -> None:
    with store.write() as tx:
        tx.put_metrics(
            ARN, [MetricPoint("loss", 2000, 1.0), MetricPoint("auc", 1, 9.0), MetricPoint("loss", 1000, 2.0)]
        )
    with store.write() as tx:
        tx.put_metrics(ARN, [MetricPoint("loss", 2000, 3.0, 7), MetricPoint("loss", 1000, 4.0, 0)])
        tx.put_metrics(OTHER, [MetricPoint("loss", 1500, 5.0)])
    with store.read() as tx:
        points = tx.metric_points(ARN, "loss")
        assert [(point.at_ms, point.value, point.step) for point in points] == [
            (1000, 2.0, None),
            (1000, 4.0, 0),
            (2000, 1.0, None),
            (2000, 3.0, 7),
        ]
        assert tx.metric_points(ARN, "auc") == [MetricPoint("auc", 1, 9.0)]
        assert tx.metric_points(OTHER, "loss") == [MetricPoint("loss", 1500, 5.0)]
        assert tx.metric_points(ARN, "never put") == []


def test_windows_have_both_their_ends(store: Store) -> None:
    with store.write() as tx:
        tx.put_metrics(ARN, [MetricPoint("loss", 1000 * number, float(number), number) for number in range(10)])
        tx.put_metrics(ARN, [MetricPoint("loss", 3500, 3.5)])
    with store.read() as tx:
        timed = tx.metric_points(ARN, "loss", since_ms=3000, until_ms=4000)
        assert [point.value for point in timed] == [3.0, 3.5, 4.0]
        stepped = tx.metric_points(ARN, "loss", first_step=3, last_step=4)
        assert [point.value for point in stepped] == [3.0, 4.0]
        assert len(tx.metric_points(ARN, "loss", since_ms=9000)) == 1
        assert len(tx.metric_points(ARN, "loss", last_step=0)) == 1


def test_the_most_extreme_values_come_back_as_they_were(store: Store) -> None:
    values = [1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 0.1, -0.0]
    with store.write() as tx:
        tx.put_metrics(ARN, [MetricPoint("loss", 1, value, 2**31 - 1) for value in values])
    with store.read() as tx:
        assert [point.value for point in tx.metric_points(ARN, "loss")] == values


def test_the_metrics_of_one_resource_are_removed(store: Store) -> None:
    with store.write() as tx:
        for resource in (ARN, OTHER):
            tx.put_metrics(resource, [MetricPoint("loss", 1, 1.0), MetricPoint("auc", 1, 1.0)])
        tx.remove_metrics(ARN)
        tx.remove_metrics("arn:of:nothing")
    with store.write() as tx:
        assert tx.metric_points(ARN, "loss") == tx.metric_points(ARN, "auc") == []
        assert len(tx.metric_points(OTHER, "loss")) == 1
        tx.put_metrics(ARN, [MetricPoint("loss", 2, 2.0)])
        assert tx.metric_points(ARN, "loss") == [MetricPoint("loss", 2, 2.0)]
