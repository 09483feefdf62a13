"""What is kept, and for how long: `sagesmith prune` removes it once, a running platform by its settings every hour."""

import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sagesmith import logging
from sagesmith.config import Platform
from sagesmith.images import pruning
from sagesmith.services.sagemaker import JOBS
from sagesmith.services.sagemaker.engine import idempotency
from sagesmith.services.sagemaker.jobs import ENDED
from sagesmith.store import LogGroup, Query, Store, Transaction, VersionConflict
from sagesmith.store.rollups import rolled_up
from sagesmith.store.timeseries import DAY, RESOLUTIONS, cutoff

INTERVAL_SECONDS = 3600.0

_BATCH = 100
"""Records that one transaction removes: a platform that runs goes on between two of them."""
_METRIC_BATCH = 1000
"""Data or series of metrics, likewise."""
_SOURCE_SECONDS = 60 * DAY
"""No task runs for so long without a metric of its instance."""

log = logging.get("retention")


def keep(platform: Platform, store: Store) -> None:
    """Remove what the platform's settings do not want kept (`SAGESMITH_AUDIT_DAYS`, `SAGESMITH_METRICS_DAYS`,
    `SAGESMITH_KEEP_DAYS`, `SAGESMITH_CACHE_LIMIT`) or the retention of a log group, and client tokens that have had
    their day."""
    idempotency.forget(store, time.time() - idempotency.KEPT_SECONDS)
    _remove_history(store, time.time() - platform.audit_days * 86400)
    _age_metrics(store, int(time.time()), platform.metrics_days * DAY)
    now_ms = int(time.time() * 1000)
    with store.read() as tx:
        regions = tx.regions()
    _expire_logs(store, regions, lambda group: _retained_ms(group, now_ms))
    if platform.keep_days:
        jobs, chunks = remove_old(store, time.time() - platform.keep_days * 86400)
        if jobs or chunks:
            log.info("old records removed", jobs=jobs, log_chunks=chunks, older_than_days=platform.keep_days)
    if platform.cache_limit_bytes:
        pruning.shrink(Path(platform.cache), platform.cache_limit_bytes, _say)


def _remove_history(store: Store, before: float) -> None:
    """Records of the audit trail, and events."""
    before_us = int(before * 1_000_000)
    for prune in (Transaction.prune_audit_records, Transaction.prune_events):
        removed = _BATCH
        while removed == _BATCH:
            with store.write() as tx:
                removed = prune(tx, before_us, _BATCH)


def _age_metrics(store: Store, now: int, kept_seconds: int) -> None:
    """Make data of metrics coarser as they grow old, and remove what is older than `kept_seconds`."""
    for age, period in RESOLUTIONS:
        source, end = rolled_up(period), cutoff(now, age, period)
        with store.read() as tx:
            start = tx.statistics_offset(source)
        after: int | None = 0 if start < end else None
        while after is not None:
            with store.write() as tx:
                after = tx.roll_up_statistics(start, end, period, after, _METRIC_BATCH)
        if start < end:
            # Another API process that did the same beside this one has said so.
            with contextlib.suppress(VersionConflict), store.write() as tx:
                tx.advance_statistics(source, start, end)
    after = 0
    while after is not None:
        with store.write() as tx:
            after = tx.prune_statistics(now - kept_seconds, after, _METRIC_BATCH)
    with store.write() as tx:
        tx.forget_statistics_sources(now - _SOURCE_SECONDS)


def _say(line: str) -> None:
    log.info("environment", said=line)


def remove_old(store: Store, before: float) -> tuple[int, int]:
    """Remove the records of jobs that ended, and log events that were written, before a time.

    Args:
        before: seconds since the epoch.

    Returns:
        How many jobs, and how many chunks of logs.
    """
    with store.read() as tx:
        regions = tx.regions()
    return _remove_jobs(store, regions, before), _expire_logs(store, regions, lambda group: int(before * 1000))


def _remove_jobs(store: Store, regions: Sequence[str], before: float) -> int:
    removed = 0
    for kind, region, status in itertools.product((each.declaration.id for each in JOBS), regions, ENDED):
        query = Query(kind, region, status=status, updated_before=before, limit=_BATCH)
        while True:
            with store.write() as tx:
                documents = tx.list(query).documents
                for document in documents:
                    tx.delete(document.kind, document.region, document.key)
            removed += len(documents)
            if len(documents) < _BATCH:
                break
    return removed


def _retained_ms(group: LogGroup, now_ms: int) -> int:
    """The earliest time whose events a group's own retention wants kept."""
    return now_ms - group.retention_days * DAY * 1000 if group.retention_days else 0


def _expire_logs(store: Store, regions: Sequence[str], before_ms: Callable[[LogGroup], int]) -> int:
    """Remove the events of each group that are older than `before_ms` of it; returns how many chunks they were."""
    removed = 0
    for region in regions:
        token: str | None = None
        while True:
            with store.read() as tx:
                groups, token = tx.log_groups(region, token=token)
            for group in groups:
                count = _BATCH
                while count == _BATCH:
                    with store.write() as tx:
                        count = tx.expire_log(region, group.name, before_ms(group), _BATCH)
                    removed += count
            if token is None:
                break
    return removed
