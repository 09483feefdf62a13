"""Managed warm pools: a training job that has ended keeps its hosts for a while, for the next one that matches.

A pool is the ended job's place in line, which it goes on holding. A matching job takes it over at once, whoever else
waits. Otherwise than at AWS a pool makes nobody wait: where the machine has no other hosts, it is ended for the job
that is first in line.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html
"""

import time
from dataclasses import replace
from typing import Any

from sagesmith import logging
from sagesmith.services.sagemaker.jobs.base import Ending
from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
from sagesmith.services.sagemaker.training_resources import retained
from sagesmith.store import Document, Query, Transaction
from sagesmith.wire.context import Params

_OF_RESOURCES = ("InstanceType", "InstanceCount", "InstanceGroups", "VolumeSizeInGB", "VolumeKmsKeyId")
_OF_THE_JOB = ("RoleArn", "VpcConfig", "EnableInterContainerTrafficEncryption", "EnableNetworkIsolation")

log = logging.get("jobs")


class WarmPools:
    """`jobs.line.Pools` of training jobs."""

    def retained(self, document: Document) -> bool:
        return document.kind == TRAINING_JOB.id and retained(document.body)

    def take_over(self, tx: Transaction, document: Document) -> bool:
        if document.kind != TRAINING_JOB.id:
            return False
        query = Query(
            TRAINING_JOB.id,
            document.region,
            facets={"WarmPoolStatusEquals": "Available"},
            sort="updated_at",
            descending=False,
            limit=100,
        )
        for pool in tx.list(query).documents:
            if time.time() < _until(pool.body) and _wanted(pool.body) == _wanted(document.body):
                _close(tx, pool, "Reused", ReusedByJob=document.name)
                return True
        return False

    def make_room(self, tx: Transaction, hosts: int, capacity: int) -> bool:
        pools = []
        running = 0
        for place in tx.holders():
            document = tx.get(place.kind, place.region, place.key)
            if document is not None and self.retained(document):
                pools.append(document)
            else:
                running += place.hosts
        if not pools or (running and running + hosts > capacity):
            return False
        _close(tx, min(pools, key=lambda each: _until(each.body)), "Terminated")
        return True

    def look(self, tx: Transaction, document: Document) -> float | None:
        pool = tx.get(document.kind, document.region, document.key)
        if pool is None or not self.retained(pool):
            return None
        left = _until(pool.body) - time.time()
        if left <= 0:
            _close(tx, pool, "Terminated")
            return None
        return left


def in_use(body: Params) -> Params:
    """The members of a job that starts."""
    return {"WarmPoolStatus": {"Status": "InUse"}} if body["ResourceConfig"].get("KeepAlivePeriodInSeconds") else {}


def after(body: Params, ending: Ending) -> Params:
    """The members of a job that has ended: its hosts are kept, unless it had none or they are to blame."""
    if not body["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        return {}
    healthy = ending.started_at is not None and not (ending.reason or "").startswith("InternalServerError")
    return {"WarmPoolStatus": {"Status": "Available" if healthy else "Terminated"}, "_warm_since": time.time()}


def _until(body: Params) -> float:
    """Until when a pool is kept; UpdateTrainingJob may have changed that."""
    return float(body["_warm_since"] + body["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0))


def _wanted(body: Params) -> dict[str, Any]:
    """What must be the same of a job and a pool that it takes over."""
    resources = body["ResourceConfig"]
    return {
        **{member: body.get(member) for member in _OF_THE_JOB},
        **{member: resources.get(member) for member in _OF_RESOURCES},
    }


def _close(tx: Transaction, pool: Document, status: str, **members: str) -> None:
    kept_seconds = max(0, round(time.time() - pool.body["_warm_since"]))
    told = {"Status": status, "ResourceRetainedBillableTimeInSeconds": kept_seconds, **members}
    body = {**pool.body, "WarmPoolStatus": told}
    tx.update(replace(pool, body=body, facets=TRAINING_JOB.facets(body)))
    log.info("warm pool ended", name=pool.name, status=status, kept_seconds=kept_seconds)
