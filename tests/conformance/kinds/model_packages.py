"""Model packages: versions in a group."""

import json

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _consistent(params: Params) -> Params:
    """A package says itself how to infer, or has it from another; names of specifications differ."""
    params.pop("SourceUri", None)
    seen: dict[str, Params] = {each["Name"]: each for each in params.get("AdditionalInferenceSpecifications", ())}
    if seen:
        params["AdditionalInferenceSpecifications"] = list(seen.values())
    return params


def _consistent_update(params: Params) -> Params:
    params.pop("SourceUri", None)
    params.pop("AdditionalInferenceSpecificationsToAdd", None)
    return params


_NAMES = (
    "DescribeModelPackage.ModelPackageName: pattern",
    "ListModelPackages.ModelPackageSummaryList[].ModelPackageName: pattern",
    "Search.Results[].ModelPackage.ModelPackageName: pattern",
)
_NAMED_BY_VERSION = "the ModelPackage shape says that a version is called by its group and number, with a slash"

MODEL_PACKAGE = Facts(
    "ModelPackage",
    named=False,
    always=frozenset({"ModelPackageGroupName"}),
    without={
        "ModelPackageName": "a version is named by its group",
        "Tags": "a version has its group's tags",
    },
    values={"ModelCard.ModelCardContent": json.dumps({"intended_uses": {"risk_rating": "Low"}})},
    called={"ModelPackageName": "ModelPackageArn", "ModelPackageGroupName": "ModelPackageGroupName"},
    # A name of a version has a slash, which NameContains does not take.
    filters={"NameContains": "ModelPackageGroupName"},
    exceptions={
        **dict.fromkeys(_NAMES, _NAMED_BY_VERSION),
        "ListModelPackages.NameContains: '1'": "the name of a version has its number as well as its group's name",
        "ListModelPackages.ModelPackageType: say in `filters` what it selects by": "versions are what the group that "
        "Lists are asked for has; tests of model packages show the types",
    },
    mend=_consistent,
    mend_update=_consistent_update,
)
