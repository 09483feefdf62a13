"""Quotas: how many resources of a kind a region may have. There are none but those that the API's reference names as
fixed (`Kind.at_most`), unless the platform's settings say so.

Source of the wording: https://repost.aws/knowledge-center/sagemaker-resource-limit-exceeded-error
"""

import contextlib

from sagesmith.services.sagemaker.engine.kind import Call, Kind
from sagesmith.store import AlreadyExists, Document, Query
from sagesmith.wire.errors import ResourceLimitExceeded

_KIND = "quota"
_RUNNING = ("InProgress", "Stopping")
"""The statuses of a job that is not over."""


def require_room(call: Call, kind: Kind) -> None:
    """Make sure that there may be one more resource of a kind.

    Raises:
        ResourceLimitExceeded: there are as many as the quota says, or more.
    """
    limit = call.home.platform.quotas.get(kind.noun, kind.at_most)
    if limit is None:
        return
    region = call.context.region
    # Of two at once the second counts what the first has made.
    with contextlib.suppress(AlreadyExists):
        call.tx.create(Document(_KIND, region, kind.id, "", "", {}))
    call.tx.lock(_KIND, region, kind.id, exclusive=True)
    statuses = _RUNNING if kind.noun.endswith("Job") else (None,)
    there = sum(call.tx.count(Query(kind.id, region, status=status)) for status in statuses)
    if there >= limit:
        what = f"{kind.title}s"
        raise ResourceLimitExceeded(
            f"The account-level service limit 'Number of {what}' is {limit} {what}, with current utilization of "
            f"{there} {what} and a request delta of 1 {what}. Please use AWS Service Quotas to request an increase "
            "for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase for "
            "this quota."
        )
