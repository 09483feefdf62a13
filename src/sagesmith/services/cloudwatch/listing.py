"""ListMetrics.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
"""

import time

from sagesmith.services.cloudwatch import rules
from sagesmith.store import InvalidToken, Metric, MetricQuery, Store
from sagesmith.store.timeseries import DAY, HOUR
from sagesmith.wire.context import Params, RequestContext

LISTED_SECONDS = 14 * DAY
RECENT_SECONDS = 3 * HOUR


def list_metrics(store: Store, context: RequestContext, params: Params) -> Params:
    """One page of the metrics that had data in the last two weeks, or in the last three hours."""
    owner = params.get("OwningAccount")
    if owner is not None and owner != context.account_id:
        return {"Metrics": []}
    age = RECENT_SECONDS if params.get("RecentlyActive") else LISTED_SECONDS
    query = MetricQuery(
        context.region,
        params.get("Namespace"),
        params.get("MetricName"),
        [(each["Name"], each.get("Value")) for each in params.get("Dimensions", ())],
        # What the store knows of a series' newest data may be a minute old.
        int(time.time()) - age - 60,
        token=params.get("NextToken"),
    )
    try:
        with store.read() as tx:
            found, token = tx.metrics(query)
    except InvalidToken:
        raise rules.invalid_value("The value for parameter NextToken is invalid.") from None
    answer: Params = {"Metrics": [_described(each) for each in found], "NextToken": token, "OwningAccounts": None}
    if params.get("IncludeLinkedAccounts"):
        answer["OwningAccounts"] = [context.account_id] * len(found)
    return answer


def _described(metric: Metric) -> Params:
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
    }
