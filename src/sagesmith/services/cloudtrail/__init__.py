"""AWS CloudTrail, as far as its event history goes: LookupEvents over the audit trail that the platform keeps itself.

Sources: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html,
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html
"""

from sagesmith.services.base import Home
from sagesmith.services.cloudtrail.lookup import lookup_events
from sagesmith.wire.context import Handler, Params, RequestContext


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""

    def lookup(context: RequestContext, params: Params) -> Params:
        return lookup_events(home.store, context, params)

    return {"LookupEvents": lookup}
