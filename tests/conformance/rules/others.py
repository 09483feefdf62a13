"""Feature groups, experiments, lineage, monitoring, edge, tags, search."""

from typing import Any

from tests.conformance.rules import GONE, Rule

_FEATURES = [{"FeatureName": "id", "FeatureType": "Integral"}, {"FeatureName": "time", "FeatureType": "Fractional"}]
_OFFLINE = {"S3StorageConfig": {"S3Uri": "s3://bucket/store"}}
_PROVISIONED = {
    "ThroughputMode": "Provisioned",
    "ProvisionedReadCapacityUnits": 1,
    "ProvisionedWriteCapacityUnits": 1,
}
_FILTER = {"Name": "TrainingJobName", "Operator": "Equals", "Value": "a"}


def _group(says: str, asked: dict[str, Any], refused: str, operation: str = "CreateFeatureGroup") -> Rule:
    return Rule("FeatureGroup", operation, says, asked, refused)


def _search(says: str, expression: dict[str, Any], refused: str) -> Rule:
    return Rule("TrainingJob", "Search", says, {"Resource": "TrainingJob", "SearchExpression": expression}, refused)


RULES = (
    _group(
        "You must include at least one of OnlineStoreConfig and OfflineStoreConfig to create a FeatureGroup.",
        {"OnlineStoreConfig": GONE, "OfflineStoreConfig": GONE},
        "at least one of OnlineStoreConfig",
    ),
    _group(
        "RecordIdentifierFeatureName must be one of feature definitions' names.",
        {"RecordIdentifierFeatureName": "other"},
        "must be the name of one of the FeatureDefinitions",
    ),
    _group("", {"EventTimeFeatureName": "id"}, "must be of type String or Fractional"),
    *(
        _group(
            "cannot be any of the following:",
            {"FeatureDefinitions": [*_FEATURES, {"FeatureName": name, "FeatureType": "String"}]},
            "is a reserved feature name",
        )
        for name in ("is_deleted", "write_time", "api_invocation_time")
    ),
    _group(
        "Must have elements with fractional feature types.",
        {
            "OnlineStoreConfig.StorageType": "InMemory",
            "FeatureDefinitions": [
                *_FEATURES,
                {
                    "FeatureName": "place",
                    "FeatureType": "Integral",
                    "CollectionType": "Vector",
                    "CollectionConfig": {"VectorConfig": {"Dimension": 2}},
                },
            ],
        },
        "must be Fractional",
    ),
    _group(
        "The Iceberg table format is only supported when this is set to False.",
        {"OfflineStoreConfig": {**_OFFLINE, "TableFormat": "Iceberg", "DisableGlueTableCreation": True}},
        "Iceberg",
    ),
    _group(
        "PROVISIONED throughput mode is supported only for feature groups that are offline-only, or use the Standard "
        "tier online store.",
        {
            "OnlineStoreConfig.StorageType": "InMemory",
            "ThroughputConfig": _PROVISIONED,
        },
        "Provisioned",
    ),
    Rule(
        "FeatureGroup",
        "UpdateFeatureGroup",
        "You can switch a feature group to on-demand only once in a 24 hour period.",
        {"ThroughputConfig": {"ThroughputMode": "OnDemand"}},
        "limited to once in 24 hours",
        {"ThroughputConfig": _PROVISIONED},
        "ResourceLimitExceeded",
        ({"ThroughputConfig": {"ThroughputMode": "OnDemand"}}, {"ThroughputConfig": _PROVISIONED}),
    ),
    Rule(
        "FeatureGroup",
        "UpdateFeatureGroup",
        "Migration is a one-way operation and cannot be reversed.",
        {"ThroughputConfig": GONE, "OnlineStoreConfig": {"StorageType": "Standard"}},
        "cannot be changed",
        {"OnlineStoreConfig.StorageType": "InMemory"},
    ),
    _group(
        "Updates the feature group by either adding features or updating the online store configuration.",
        {
            "FeatureAdditions": [{"FeatureName": "more", "FeatureType": "String"}],
            "ThroughputConfig": {"ThroughputMode": "OnDemand"},
        },
        "exactly one of",
        "UpdateFeatureGroup",
    ),
    *(
        Rule(
            "TrialComponent",
            f"{operation}TrialComponent",
            "Only one of NumberValue or StringValue can be specified.",
            {"Parameters": {"rate": {"NumberValue": 1.0, "StringValue": "1"}}},
            "rate",
        )
        for operation in ("Create", "Update")
    ),
    *(
        Rule(
            "TrialComponent",
            "ListTrialComponents",
            f"If you specify {member}, you can't filter by",
            {member: "a", other: "arn:aws:sagemaker:us-east-1:123456789012:training-job/a" if other[0] == "S" else "b"},
            "Only one of",
        )
        for member, other in (("ExperimentName", "TrialName"), ("TrialName", "SourceArn"))
    ),
    Rule(
        "TrialComponent",
        "ListTrialComponents",
        "If you specify SourceArn, you can't filter by",
        {"SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/a", "ExperimentName": "a"},
        "Only one of",
    ),
    Rule(
        "Artifact",
        "DeleteArtifact",
        "Either ArtifactArn or Source must be specified.",
        {"ArtifactArn": GONE},
        "Either ArtifactArn or Source must be specified.",
    ),
    *(
        Rule(
            f"{of}JobDefinition",
            f"Create{of}JobDefinition",
            "",
            {
                f"{of}JobInput.BatchTransformInput": GONE,
                **({f"{of}JobInput.GroundTruthS3Input.S3Uri": "s3://bucket/truth"} if truth else {}),
            },
            "exactly one of",
        )
        for of, truth in (
            ("DataQuality", False),
            ("ModelQuality", True),
            ("ModelBias", True),
            ("ModelExplainability", False),
        )
    ),
    Rule(
        "ComputeQuota",
        "UpdateComputeQuota",
        "",
        {"TargetVersion": 7},
        "does not match the current version 1",
        code="ConflictException",
    ),
    *(
        Rule(
            kind,
            "AddTags",
            "Tag keys must be unique per resource.",
            {"ResourceArn": "itself", "Tags": [{"Key": "a", "Value": ""}, {"Key": "a", "Value": "b"}]},
            "must be unique per resource",
        )
        for kind in ("Model", "Domain", "TrainingJob")
    ),
    _search("You must provide at least one subexpression, filter, or nested filter.", {}, "at least one"),
    _search(
        "You must specify a valid property for the resource.",
        {"Filters": [{**_FILTER, "Name": "NoSuchProperty"}]},
        "NoSuchProperty",
    ),
    *(
        _search(
            "Not supported for text properties.", {"Filters": [{**_FILTER, "Operator": operator}]}, "TrainingJobName"
        )
        for operator in ("GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
    ),
    *(
        _search(
            "Only supported for text properties.",
            {"Filters": [{"Name": "CreationTime", "Operator": operator, "Value": "2026-01-01T00:00:00Z"}]},
            "CreationTime",
        )
        for operator in ("In", "Contains")
    ),
    _search(
        "Value must be an integer or floating-point decimal.",
        {"Filters": [{"Name": "BillableTimeInSeconds", "Operator": "Equals", "Value": "many"}]},
        "many",
    ),
    _search(
        "Value must be an ISO 8601 date-time string of the following format:",
        {"Filters": [{"Name": "CreationTime", "Operator": "GreaterThan", "Value": "yesterday"}]},
        "yesterday",
    ),
    _search(
        "can include only one Contains operator for all other values of Name.",
        {
            "Filters": [
                {"Name": member, "Operator": "Contains", "Value": "a"}
                for member in ("TrainingJobName", "TrainingJobArn")
            ]
        },
        "'CONTAINS' operator usage limit of 1 exceeded.",
    ),
    _search(
        "The maximum number of recursive SubExpressions, NestedFilters, and Filters that can be included",
        {"SubExpressions": [{"Filters": [_FILTER] * 17}] * 3},
        "50",
    ),
    _search(
        "The value must match a listed property name, such as InputDataConfig.",
        {"NestedFilters": [{"NestedPropertyName": "NoSuchProperty", "Filters": [_FILTER]}]},
        "NoSuchProperty",
    ),
)
