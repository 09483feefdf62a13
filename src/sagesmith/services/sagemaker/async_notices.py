"""What routers have to tell of asynchronous requests (`gateway.asynchronous.notices`), on its way to its topics."""

import time
from pathlib import Path

import orjson

from sagesmith import logging
from sagesmith.services.base import Home
from sagesmith.services.sagemaker.invocation_metrics import NAMESPACE
from sagesmith.services.sns import publishing, topics
from sagesmith.store import Datum, Metric, StatisticSet, Transaction

INTERVAL_SECONDS = 0.5

log = logging.get("async")


class Notices:
    """Publishes notices. One thread at a time."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._directory = home.platform.dir.async_notices

    def publish(self) -> None:
        """Publish every notice that is there; one is removed once its messages are stored, so that none is lost."""
        for path in sorted(self._directory.glob("*.json")):
            try:
                self._publish(path)
            except (ValueError, KeyError) as error:
                log.error("a notice is damaged and was moved aside", file=path.name, reason=repr(error))
                path.rename(path.with_suffix(".damaged"))

    def _publish(self, path: Path) -> None:
        notice = orjson.loads(path.read_bytes())
        with self._home.store.write() as tx:
            topic = tx.get_by_arn(notice["topic"])
            if topic is None or topic.kind != topics.KIND:
                log.warning("a topic does not exist", endpoint=notice["endpoint"], topic=notice["topic"])
                _count_failure(tx, notice["region"], notice["endpoint"], notice["variant"])
            else:
                publishing.publish(tx, topic, publishing.Message({"default": notice["message"]}))
        path.unlink(missing_ok=True)


def _count_failure(tx: Transaction, region: str, endpoint: str, variant: str | None) -> None:
    of_variant = (("VariantName", variant),) if variant is not None else ()
    metric = Metric(NAMESPACE, "NotificationFailures", (("EndpointName", endpoint), *of_variant))
    tx.put_statistics(region, [Datum(metric, int(time.time()), "Count", StatisticSet.of([1.0]))])
