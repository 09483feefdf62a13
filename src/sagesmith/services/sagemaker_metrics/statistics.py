"""What is told of several values of a metric: the least, the greatest, the mean, the deviation, the last, how many."""

import math
import sys
from dataclasses import dataclass

from sagesmith.store import MetricPoint
from sagesmith.wire.context import Params


@dataclass(slots=True)
class Statistics:
    """Statistics of the points that were added, by Welford's method (https://doi.org/10.1080/00401706.1962.10490022).

    Attributes:
        squares: the sum of the squares of the values' differences from the mean.
        last_ms: the time of the last value; of several at this time the one that was added last is the last.
    """

    count: int = 0
    least: float = math.inf
    greatest: float = -math.inf
    mean: float = 0.0
    squares: float = 0.0
    last: float = 0.0
    last_ms: int = 0

    def add(self, point: MetricPoint) -> None:
        """Take one more point into account."""
        self.count += 1
        self.least = min(self.least, point.value)
        self.greatest = max(self.greatest, point.value)
        from_mean = _finite(point.value - self.mean)
        self.mean += from_mean / self.count
        self.squares = _finite(self.squares + _finite(from_mean * _finite(point.value - self.mean)))
        if self.count == 1 or point.at_ms >= self.last_ms:
            self.last, self.last_ms = point.value, point.at_ms

    @property
    def deviation(self) -> float:
        """The standard deviation of the values, which are all there are."""
        return math.sqrt(self.squares / self.count)

    def of(self, name: str) -> float:
        """A statistic by its name in the API (`MetricStat`)."""
        match name:
            case "Min":
                return self.least
            case "Max":
                return self.greatest
            case "Avg":
                return self.mean
            case "Count":
                return float(self.count)
            case "StdDev":
                return self.deviation
            case "Last":
                return self.last
        raise LookupError(f"no statistic {name}")

    @classmethod
    def of_summary(cls, summary: Params) -> "Statistics":
        """The statistics that a summary was made of."""
        count = summary["Count"]
        return cls(
            count,
            summary["Min"],
            summary["Max"],
            summary["Avg"],
            _finite(summary["StdDev"] ** 2 * count),
            summary["Last"],
            round(summary["TimeStamp"] * 1000),
        )

    def summary(self, name: str, source_arn: str) -> Params:
        """A TrialComponentMetricSummary.

        Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrialComponentMetricSummary.html
        """
        return {
            "MetricName": name,
            "SourceArn": source_arn,
            "TimeStamp": self.last_ms / 1000,
            "Max": self.greatest,
            "Min": self.least,
            "Last": self.last,
            "Count": self.count,
            "Avg": self.mean,
            "StdDev": self.deviation,
        }


def _finite(value: float) -> float:
    """The nearest finite number: metrics of a training that diverges may be as large as numbers get."""
    return max(-sys.float_info.max, min(sys.float_info.max, value))
