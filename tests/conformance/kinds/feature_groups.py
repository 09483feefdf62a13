"""Feature groups."""

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _throughput(params: Params) -> Params:
    """An Update changes one thing, of which the throughput is what Describe shows by the same name."""
    return {"FeatureGroupName": params["FeatureGroupName"], "ThroughputConfig": {"ThroughputMode": "OnDemand"}}


FEATURE_GROUP = Facts(
    "FeatureGroup",
    values={
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "time",
        "FeatureDefinitions": [
            {"FeatureName": "id", "FeatureType": "Integral"},
            {"FeatureName": "time", "FeatureType": "Fractional"},
        ],
        "ThroughputConfig": {"ThroughputMode": "OnDemand"},
        "OnlineStoreConfig.EnableOnlineStore": True,
        "OfflineStoreConfig.DisableGlueTableCreation": False,
    },
    always=frozenset({"RoleArn", "OnlineStoreConfig", "OnlineStoreConfig.EnableOnlineStore"}),
    without={"OfflineStoreConfig.S3StorageConfig.ResolvedOutputS3Uri": "the service answers it, whatever is given"},
    mend_update=_throughput,
    filters={"OfflineStoreStatusEquals": "OfflineStoreStatus.Status"},
)
