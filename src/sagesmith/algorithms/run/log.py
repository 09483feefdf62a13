"""A training job's log, in the form that AWS's algorithms print: their documented regular expressions find it.

Sources: the logs in https://github.com/aws/amazon-sagemaker-examples (introduction_to_amazon_algorithms), and the
MetricDefinitions that DescribeTrainingJob shows of AWS's own images.
"""

import json
import math
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(slots=True)
class Log:
    """Writes lines to standard output, each at once.

    Args:
        host: this instance, which every metric names.
        name: the algorithm, a dimension of `#metrics`.
    """

    host: str
    name: str
    stream: TextIO = field(default_factory=lambda: sys.stdout)

    def say(self, text: str, level: str = "INFO") -> None:
        """A line for people."""
        stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime())
        self.stream.write(f"[{stamp} {level} {os.getpid()}] {text}\n")
        self.stream.flush()

    def warn(self, text: str) -> None:
        self.say(text, "WARNING")

    def quality(self, channel: str, metric: str, value: float, *, kind: str = "loss", epoch: int | None = None) -> None:
        """`#quality_metric: host=algo-1, epoch=0, train msd <loss>=0.5`.

        Args:
            channel: `train`, `validation` or `test`.
            kind: `loss` where less is better, `score` where more is.
        """
        at = "" if epoch is None else f" epoch={epoch},"
        self.say(f"#quality_metric: host={self.host},{at} {channel} {metric} <{kind}>={_number(value)}")

    def progress(self, done: float, total: float) -> None:
        """How far it is, in epochs."""
        self.say(f"#progress_metric: host={self.host}, completed {100 * done / total:.1f} % of epochs")

    def throughput(self, records: int, seconds: float) -> None:
        rate = records / seconds if seconds > 0 else 0.0
        self.say(f"#throughput_metric: host={self.host}, train throughput={rate:.2f} records/second")

    def metrics(self, values: Mapping[str, float], start: float, end: float, **dimensions: object) -> None:
        """`#metrics {…}`: counts, sums and times as AWS's algorithms dump them.

        Args:
            start, end: seconds since the epoch.
        """
        entries = {name: {"sum": value, "count": 1, "min": value, "max": value} for name, value in values.items()}
        record = {
            "StartTime": start,
            "EndTime": end,
            "Dimensions": {"Algorithm": self.name, "Host": self.host, "Operation": "training", **dimensions},
            "Metrics": entries,
        }
        self.stream.write(f"#metrics {json.dumps(record)}\n")
        self.stream.flush()


def _number(value: float) -> str:
    value = float(value)
    # What is no number stays visible in the log, and is no metric: no regular expression of a tuner's takes it.
    return repr(value) if math.isfinite(value) else str(value)
