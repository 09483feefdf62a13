"""Model packages: versions of a model in a group, each to be approved before it is deployed, or packages of a name of
their own.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html,
…/API_UpdateModelPackage.html, …/API_ListModelPackages.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-models.html; of the wording
https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-sagemaker,
https://github.com/getmoto/moto/pull/7165, https://github.com/aws/aws-cdk/issues/33699 and
https://github.com/aws/sagemaker-python-sdk/pull/3301
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.algorithms import ALGORITHM
from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt, Wording, reading, updated, view_of
from sagesmith.services.sagemaker.model_card_content import check_package_card, metadata_of
from sagesmith.services.sagemaker.model_package_groups import MODEL_PACKAGE_GROUP
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ValidationException

_ADDED = "AdditionalInferenceSpecificationsToAdd"
_MOST_ADDITIONAL = 15
_MOST_METADATA = 50
_NOTHING_VALIDATED: Params = {"ValidationStatuses": [], "ImageScanStatuses": []}
_LAST_VERSION = "_last_version"
_TYPE = "_type"
_SOURCE_ARN = re.compile(r"arn:[^:]+:sagemaker:[^:]*:[^:]*:model(-package)?/.+")
_OF_A_MODEL = (
    "Image",
    "ModelDataUrl",
    "ModelDataSource",
    "AdditionalModelDataSources",
    "Environment",
    "ContainerHostname",
)
_OF_A_PACKAGE = ("InferenceSpecification", "AdditionalInferenceSpecifications")
_NO_VERSION_TAGS = "Tags are not supported in Model Package versions. Please add them to the Model Package Group."


def _check(params: Params) -> None:
    if params.get("ModelPackageGroupName"):
        if params.get("ModelPackageName"):
            raise ValidationException(
                "Both ModelPackageName and ModelPackageGroupName are provided in the input. "
                "Cannot determine which one to use."
            )
        if params.get("Tags"):
            raise ValidationException(_NO_VERSION_TAGS)
    elif not params.get("ModelPackageName"):
        raise ValidationException("Missing ARN.")
    elif specification := params.get("InferenceSpecification"):
        for member in ("SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes"):
            if not specification.get(member):
                raise ValidationException(f"InferenceSpecification.{member} is required for unversioned models.")
    elif not params.get("SourceAlgorithmSpecification") and not params.get("SourceUri"):
        raise ValidationException(
            "An unversioned model package needs an InferenceSpecification or a SourceAlgorithmSpecification."
        )
    _check_members(params)
    _check_additional(params.get("AdditionalInferenceSpecifications") or ())


def _check_members(params: Params) -> None:
    """What holds for Create and Update."""
    if params.get("SourceUri") and params.get("InferenceSpecification"):
        raise ValidationException("SourceUri and InferenceSpecification cannot both be given: use one of them.")
    content = (params.get("ModelCard") or {}).get("ModelCardContent")
    if content is not None:
        check_package_card(content)


def _check_additional(specifications: Sequence[Params]) -> None:
    names = [each["Name"] for each in specifications]
    if len(names) > _MOST_ADDITIONAL:
        raise ValidationException(
            f"A model package has at most {_MOST_ADDITIONAL} additional inference specifications."
        )
    for name in names:
        if names.count(name) > 1:
            raise ValidationException(f"The names of additional inference specifications must be unique: {name}.")


def _initial(call: Call, params: Params) -> Params:
    members = {_TYPE: "Unversioned", "ModelPackageStatusDetails": _NOTHING_VALIDATED, **_sourced(call, params)}
    if group := params.get("ModelPackageGroupName"):
        version = _next_version(call, group)
        members |= {
            _TYPE: "Versioned",
            "ModelPackageName": f"{group}/{version}",
            "ModelPackageVersion": version,
            "ModelApprovalStatus": params.get("ModelApprovalStatus") or "PendingManualApproval",
        }
    return members


def _next_version(call: Call, name: str) -> int:
    """The number that follows the last one ever given out in a group, whether that version is still there or not."""
    context = call.context
    group = call.tx.lock(MODEL_PACKAGE_GROUP.id, context.region, MODEL_PACKAGE_GROUP.key(name), exclusive=True)
    if group is None:
        raise MODEL_PACKAGE_GROUP.not_found(context, name)
    version: int = group.body.get(_LAST_VERSION, 0) + 1
    call.tx.update(replace(group, body={**group.body, _LAST_VERSION: version}), touch=False)
    return version


def _sourced(call: Call, params: Params) -> Params:
    """What a package takes from the model or the package that it is made from, or from its algorithm."""
    source = params.get("SourceUri") or ""
    if _SOURCE_ARN.fullmatch(source):
        return _copied(call, source)
    algorithms = (params.get("SourceAlgorithmSpecification") or {}).get("SourceAlgorithms")
    if algorithms and not params.get("InferenceSpecification"):
        return {"InferenceSpecification": _inferring(call, algorithms[0])}
    return {}


def _copied(call: Call, source: str) -> Params:
    original = call.tx.get_by_arn(source)
    if original is None or original.region != call.context.region:
        raise ValidationException(f'Could not find the source of the model package "{source}".')
    if original.kind == MODEL_PACKAGE.id:
        return {member: original.body[member] for member in _OF_A_PACKAGE if member in original.body}
    containers = original.body.get("Containers") or [original.body["PrimaryContainer"]]
    taken = [{member: each[member] for member in _OF_A_MODEL if member in each} for each in containers]
    return {"InferenceSpecification": {"Containers": taken}}


def _inferring(call: Call, source: Params) -> Params:
    """How to infer with what an algorithm trained: as the algorithm says, with these artifacts."""
    algorithm = ALGORITHM.find(call.tx, call.context, source["AlgorithmName"])
    specification: Params | None = algorithm.body.get("InferenceSpecification")
    if specification is None:
        raise ValidationException(
            f"Algorithm {algorithm.arn} has no InferenceSpecification to make a model package of."
        )
    artifacts = {member: value for member, value in source.items() if member.startswith("ModelData")}
    return {**specification, "Containers": [{**each, **artifacts} for each in specification["Containers"]]}


def _lookup(call: Call, document: Document, params: Params) -> Params:
    card = document.body.get("ModelCard") or {}
    if params.get("IncludedData") != "MetadataOnly" or "ModelCardContent" not in card:
        return {}
    return {"ModelCard": {**card, "ModelCardContent": metadata_of(card["ModelCardContent"])}}


def _update(call: Call, document: Document, params: Params) -> Document:
    if document.body[_TYPE] != "Versioned":
        raise ValidationException(f"Only versioned model packages can be updated: {document.arn}")
    _check_members(params)
    changed = updated(MODEL_PACKAGE, document, {member: value for member, value in params.items() if member != _ADDED})
    body = dict(changed.body)
    if added := params.get(_ADDED):
        body["AdditionalInferenceSpecifications"] = [*body.get("AdditionalInferenceSpecifications", ()), *added]
        _check_additional(body["AdditionalInferenceSpecifications"])
    if len(body.get("CustomerMetadataProperties", ())) > _MOST_METADATA:
        raise ValidationException(f"A model package has at most {_MOST_METADATA} customer metadata properties.")
    return replace(changed, body=body)


def _meant(params: Params) -> Params:
    """ListModelPackages shows versions if it is asked for a group, and otherwise, unless it is told, what has none."""
    asked = params.get("ModelPackageType") or ("Both" if params.get("ModelPackageGroupName") else "Unversioned")
    return {**params, "ModelPackageType": None if asked == "Both" else asked}


def _check_tags(document: Document) -> None:
    if document.body[_TYPE] == "Versioned":
        raise ValidationException(_NO_VERSION_TAGS)


MODEL_PACKAGE = Kind(
    noun="ModelPackage",
    identity=("ModelPackageName",),
    parent=MODEL_PACKAGE_GROUP,
    refers={"SourceAlgorithmSpecification.SourceAlgorithms[].AlgorithmName": ALGORITHM},
    check=_check,
    check_tags=_check_tags,
    initial=_initial,
    defaults={"CertifyForMarketplace": False},
    rests_as="Completed",
    lookup=_lookup,
    meant=_meant,
    filters={"ModelPackageType": _TYPE},
    ascending=True,
    merges=frozenset({"CustomerMetadataProperties", "ModelCard"}),
    changes={"UpdateModelPackage": _update},
    unbuilt=(
        Unbuilt("ValidationSpecification", "Validation of model packages is"),
        Unbuilt("CertifyForMarketplace", "Certification for AWS Marketplace is"),
        Unbuilt("ManagedStorageType", "Managed storage of model packages is"),
    ),
    without_effect={
        "SkipModelValidation": "images and model data are looked at when an endpoint is made of them",
        "SecurityConfig": "what is stored of a package is not encrypted by a key of its own",
    },
    missing=Wording(ValidationException, "ModelPackage {arn} does not exist."),
    duplicate=Wording(ValidationException, "ModelPackage already exists: {arn}"),
    search="ModelPackage",
)

_SUMMARY = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
)


def containers_of(call: Call, container: Params) -> list[Params]:
    """The containers that a container of CreateModel, which names a package, stands for.

    Raises:
        ValidationException: there is no such package, it may not be deployed, or has nothing that could be.
    """
    package = MODEL_PACKAGE.find(call.tx, call.context, container["ModelPackageName"])
    approval = package.body.get("ModelApprovalStatus")
    if package.body[_TYPE] == "Versioned" and approval != "Approved":
        raise ValidationException(
            f"Cannot create a model of model package {package.arn}: its approval status is {approval}, not Approved."
        )
    taken = containers_in(package, container.get("InferenceSpecificationName"))
    given = container.get("Environment")
    for each in taken:
        if given and each.get("Environment"):
            raise ValidationException(
                f"Environment variable map cannot be specified both at Model Package {_as_map(each['Environment'])} "
                f"and Model {_as_map(given)}."
            )
    return taken


def containers_in(package: Document, specification: str | None = None) -> list[Params]:
    """The containers of a package's inference specification, or of an additional one, as a model has them.

    Raises:
        ValidationException: the package has no such specification.
    """
    found = _specification(package, specification)
    return [{member: each[member] for member in _OF_A_MODEL if member in each} for each in found["Containers"]]


def _specification(package: Document, name: str | None) -> Params:
    wanted = package.body.get("InferenceSpecification")
    if name is not None:
        additional = package.body.get("AdditionalInferenceSpecifications", ())
        wanted = next((each for each in additional if each["Name"] == name), None)
    if not wanted:
        which = "InferenceSpecification" if name is None else f"additional inference specification {name}"
        raise ValidationException(f"Model package {package.arn} has no {which} to create a model of.")
    found: Params = wanted
    return found


def _as_map(variables: Params) -> str:
    return "{" + ", ".join(f"{name}={value}" for name, value in variables.items()) + "}"


def operations(home: Home) -> dict[str, Handler]:
    """What the kind does not derive."""
    return {"BatchDescribeModelPackage": reading(home, _batch_describe)}


def _batch_describe(call: Call, params: Params) -> Params:
    """Versions by ARN; what there is not is an entry among the errors, and fails nothing else."""
    found: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for arn in params["ModelPackageArnList"]:
        package = MODEL_PACKAGE.seek(call.tx, call.context, arn)
        if package is None or package.body[_TYPE] != "Versioned":
            error = MODEL_PACKAGE.not_found(call.context, arn)
            errors[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
        else:
            described = view_of(MODEL_PACKAGE).describe(package)
            found[arn] = {member: described[member] for member in _SUMMARY if member in described}
    return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": errors}
