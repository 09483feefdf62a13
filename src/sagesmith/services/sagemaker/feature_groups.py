"""Feature groups: the schema of a set of features, and what is written down about each feature.

The record is complete once it is stored. The stores that it configures are not there: no record can be put into them,
no state of an offline store is shown, and no table is made in a data catalog.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateFeatureGroup.html,
…/API_UpdateFeatureGroup.html, …/API_UpdateFeatureMetadata.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-quotas.html (limits, reserved names),
https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-collections.html (collections)
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sagesmith.services.sagemaker.engine import Call, Kind, Wording, created, paged
from sagesmith.services.sagemaker.resource_catalogs import open_catalog
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceInUse, ResourceLimitExceeded, ResourceNotFound, ValidationException

MAX_FEATURES = 2500
MAX_PARAMETERS = 25
ON_DEMAND_PERIOD_SECONDS = 24 * 60 * 60
"""How long after a feature group was switched to on-demand throughput it cannot be so again."""
RESERVED_NAMES = frozenset({"is_deleted", "write_time", "api_invocation_time"})
_EVENT_TIME_TYPES = ("String", "Fractional")
_CHANGES = ("FeatureAdditions", "OnlineStoreConfig", "ThroughputConfig")
_UNITS = ("ProvisionedReadCapacityUnits", "ProvisionedWriteCapacityUnits")

Feature = Mapping[str, Any]


def _check(params: Params) -> None:
    online, offline = params.get("OnlineStoreConfig") or {}, params.get("OfflineStoreConfig")
    if not online.get("EnableOnlineStore") and not offline:
        raise ValidationException(
            "Validation Error: at least one of OnlineStoreConfig (with EnableOnlineStore) and OfflineStoreConfig must "
            "be given."
        )
    if offline and not params.get("RoleArn"):
        raise ValidationException("Validation Error: RoleArn is required if an OfflineStoreConfig is given.")
    if offline and offline.get("TableFormat") == "Iceberg" and offline.get("DisableGlueTableCreation"):
        raise ValidationException(
            "Validation Error: the Iceberg table format is only supported when DisableGlueTableCreation is false."
        )
    _check_throughput(params["ThroughputConfig"], online)
    features = {feature["FeatureName"]: feature for feature in params["FeatureDefinitions"]}
    _check_features(params["FeatureDefinitions"], online)
    _check_is_one(features, "RecordIdentifierFeatureName", params)
    _check_is_one(features, "EventTimeFeatureName", params)
    time = features[params["EventTimeFeatureName"]]
    if time["FeatureType"] not in _EVENT_TIME_TYPES:
        raise ValidationException(
            f"Validation Error: the event time feature {time['FeatureName']} must be of type String or Fractional, "
            f"not {time['FeatureType']}."
        )


def _check_is_one(features: Mapping[str, Feature], member: str, params: Params) -> None:
    """A feature with a part of its own must be defined, and have one value."""
    feature = features.get(params[member])
    if feature is None:
        raise ValidationException(
            f"Validation Error: {member} {params[member]} must be the name of one of the FeatureDefinitions."
        )
    if feature.get("CollectionType"):
        raise ValidationException(f"Validation Error: {member} {params[member]} cannot be of a collection type.")


def _check_features(features: Sequence[Feature], online: Mapping[str, Any]) -> None:
    # Names are the columns of tables, which do not know case.
    counted = Counter(feature["FeatureName"].lower() for feature in features)
    for feature in features:
        name, collection = feature["FeatureName"], feature.get("CollectionType")
        if name.lower() in RESERVED_NAMES:
            raise ValidationException(
                f"Validation Error: {name} is a reserved feature name. Feature names cannot be any of "
                f"{', '.join(sorted(RESERVED_NAMES))}."
            )
        if counted[name.lower()] > 1:
            raise ValidationException(f"Validation Error: feature name {name} is used more than once.")
        if collection and online.get("StorageType") != "InMemory":
            raise ValidationException(
                f"Validation Error: feature {name} is of collection type {collection}, which only feature groups with "
                "an InMemory online store support."
            )
        if (collection == "Vector") != bool((feature.get("CollectionConfig") or {}).get("VectorConfig")):
            raise ValidationException(f"Validation Error: feature {name}: Vector and VectorConfig belong together.")
        if collection == "Vector" and feature["FeatureType"] != "Fractional":
            raise ValidationException(f"Validation Error: feature {name}: elements of a Vector must be Fractional.")


def _check_throughput(throughput: Mapping[str, Any], online: Mapping[str, Any]) -> None:
    if throughput["ThroughputMode"] == "OnDemand":
        if any(throughput.get(unit) is not None for unit in _UNITS):
            raise ValidationException(f"Validation Error: {' and '.join(_UNITS)} are not for ThroughputMode OnDemand.")
    elif online.get("StorageType") == "InMemory":
        raise ValidationException("Validation Error: ThroughputMode Provisioned is not for an InMemory online store.")


def _initial(call: Call, params: Params) -> Params:
    """Where records of the offline store will lie, decided once."""
    if not (offline := params.get("OfflineStoreConfig")):
        return {}
    storage, context = offline["S3StorageConfig"], call.context
    folder = f"{context.account_id}/sagemaker/{context.region}/offline-store/{params['FeatureGroupName']}"
    resolved = f"{storage['S3Uri'].rstrip('/')}/{folder}-{int(call.now)}/data"
    return {
        "OfflineStoreConfig": {
            "DisableGlueTableCreation": False,
            **offline,
            "S3StorageConfig": {**storage, "ResolvedOutputS3Uri": resolved},
        }
    }


def _on_create(call: Call, group: Document) -> None:
    _define(call, group, group.body["FeatureDefinitions"])
    open_catalog(call)


def _define(call: Call, group: Document, features: Iterable[Feature]) -> None:
    for feature in features:
        created(
            call,
            FEATURE_METADATA,
            {
                "FeatureGroupName": group.name,
                "FeatureGroupArn": group.arn,
                "FeatureName": feature["FeatureName"],
                "FeatureType": feature["FeatureType"],
            },
        )


def _features_page(call: Call, document: Document, params: Params) -> Params:
    """DescribeFeatureGroup pages its features, all that there may be at once; its NextToken is never left out."""
    numbered = list(enumerate(document.body["FeatureDefinitions"]))
    page, token = paged(numbered, params, lambda feature: feature[0], MAX_FEATURES)
    return {"FeatureDefinitions": [feature for _, feature in page], "NextToken": token or ""}


def _update(call: Call, document: Document, params: Params) -> Document:
    """Features are added, or one of the configurations changed; nothing is ever taken away but the time to live."""
    if len([member for member in _CHANGES if params.get(member)]) != 1:
        raise ValidationException(f"Validation Error: exactly one of {', '.join(_CHANGES)} must be given.")
    # Of two updates at once the second waits here, and sees the features that the first one added.
    document = call.tx.lock(FEATURE_GROUP.id, document.region, document.key, exclusive=True) or document
    body = dict(document.body)
    if additions := params.get("FeatureAdditions"):
        body["FeatureDefinitions"] = _extended(document, additions)
        _define(call, document, additions)
    if online := params.get("OnlineStoreConfig"):
        body["OnlineStoreConfig"] = _online(body.get("OnlineStoreConfig") or {}, online)
    if throughput := params.get("ThroughputConfig"):
        body |= _throughput(call, document, throughput)
    return replace(document, body={**body, "LastUpdateStatus": {"Status": "Successful"}})


def _throughput(call: Call, group: Document, change: Mapping[str, Any]) -> Params:
    """The members of a group's document whose throughput is changed.

    Raises:
        ResourceLimitExceeded: it was switched to on-demand less than 24 hours ago. The rule is that of
            https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-throughput-mode.html; the words follow those
            of DynamoDB, which has the same rule.
    """
    present, mode = group.body["ThroughputConfig"], change.get("ThroughputMode")
    config = dict(change) if mode == "OnDemand" else {**present, **change}
    _check_throughput(config, group.body.get("OnlineStoreConfig") or {})
    if mode != "OnDemand" or present["ThroughputMode"] == "OnDemand":
        return {"ThroughputConfig": config}
    if call.now < (last := group.body.get("_on_demand_at", -math.inf)) + ON_DEMAND_PERIOD_SECONDS:
        raise ResourceLimitExceeded(
            f"Updates of feature group {group.name} to ThroughputMode OnDemand are limited to once in 24 hours. Last "
            f"update at {datetime.fromtimestamp(last, UTC).isoformat(timespec='seconds')}."
        )
    return {"ThroughputConfig": config, "_on_demand_at": call.now}


def _extended(group: Document, additions: list[Feature]) -> list[Feature]:
    features = [*group.body["FeatureDefinitions"], *additions]
    if len(features) > MAX_FEATURES:
        raise ResourceLimitExceeded(
            f"A feature group can have up to {MAX_FEATURES} features: {group.name} would have {len(features)}."
        )
    _check_features(features, group.body.get("OnlineStoreConfig") or {})
    return features


def _online(present: Mapping[str, Any], change: Mapping[str, Any]) -> Params:
    if not present.get("EnableOnlineStore"):
        raise ValidationException("Validation Error: the feature group has no online store.")
    now, then = present.get("StorageType") or "Standard", change.get("StorageType")
    if then and then != now and (now, then) != ("Standard", "Standard_V2"):
        raise ValidationException(f"Validation Error: an online store cannot be changed from {now} to {then}.")
    changed = {**present, **change}
    if not changed.get("TtlDuration"):
        # A time to live whose unit and value are null is none.
        changed.pop("TtlDuration", None)
    return changed


def _update_metadata(call: Call, document: Document, params: Params) -> Document:
    present = {each["Key"]: each["Value"] for each in document.body.get("Parameters", [])}
    kept = {key: value for key, value in present.items() if key not in (params.get("ParameterRemovals") or ())}
    parameters = kept | {each["Key"]: each["Value"] for each in params.get("ParameterAdditions") or ()}
    if len(parameters) > MAX_PARAMETERS:
        raise ValidationException(
            f"Validation Error: a feature can have up to {MAX_PARAMETERS} parameters, not {len(parameters)}."
        )
    body = {**document.body, "Parameters": [{"Key": key, "Value": value} for key, value in parameters.items()]}
    if params.get("Description") is not None:
        body["Description"] = params["Description"]
    return replace(document, body=body)


FEATURE_GROUP = Kind(
    noun="FeatureGroup",
    check=_check,
    defaults={"ThroughputConfig": {"ThroughputMode": "OnDemand"}},
    initial=_initial,
    on_create=_on_create,
    rests_as="Created",
    without_effect={
        "OnlineStoreConfig": "there is no online store yet: records cannot be put",
        "OfflineStoreConfig": "there is no offline store yet, and no OfflineStoreStatus; no table is made in Glue",
        "ThroughputConfig": "there is no online store yet whose throughput it would be",
    },
    lookup=_features_page,
    filters={"OfflineStoreStatusEquals": "OfflineStoreStatus.Status"},
    sorts={"OfflineStoreStatus": "status"},
    changes={"UpdateFeatureGroup": _update},
    missing=Wording(
        ResourceNotFound, "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {name}."
    ),
    duplicate=Wording(
        ResourceInUse,
        "Resource Already Exists: FeatureGroup with name {name} already exists. Choose a different name.\n"
        "Info: Feature Group '{name}' already exists.",
    ),
    search="FeatureGroup",
)

FEATURE_METADATA = Kind(
    noun="FeatureMetadata",
    arn_form="feature-group/{}/feature/{}",
    identity=("FeatureGroupName", "FeatureName"),
    parent=FEATURE_GROUP,
    parent_members=("FeatureGroupName",),
    cascades=True,
    changes={"UpdateFeatureMetadata": _update_metadata},
    missing=Wording(
        ResourceNotFound, "Resource Not Found: Amazon SageMaker can't find a feature with name {name} in {arn}."
    ),
    search="FeatureMetadata",
)
