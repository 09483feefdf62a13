"""Lineage: artifacts, actions and contexts, which associations connect (see `associations`, `lineage_queries`).

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateArtifact.html, …/API_DeleteArtifact.html,
…/API_CreateAction.html, …/API_CreateContext.html, …/API_DescribeLineageGroup.html; that an artifact's source is its
identity: https://docs.aws.amazon.com/sagemaker/latest/dg/lineage-tracking-entities.html; of the lineage group:
https://docs.aws.amazon.com/sagemaker/latest/dg/xaccount-lineage-tracking.html
"""

import contextlib
from hashlib import blake2b
from typing import Any

import orjson

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.associations import refuse_if_associated
from sagesmith.services.sagemaker.engine import (
    ALREADY_EXISTS,
    DOES_NOT_EXIST,
    NAME_IN_USE,
    Call,
    Kind,
    Wording,
    created,
    free,
    reading,
)
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound, ValidationException

DEFAULT_GROUP = "sagemaker-default-lineage-group"
_ACTION_STATUSES = ("Unknown", "InProgress", "Completed", "Failed", "Stopping", "Stopped")
_NAME_TAKEN = Wording(
    ValidationException,
    "{noun} names must be unique within an AWS account and region. {noun} with name ({name}) already exists.",
)

LINEAGE_GROUP = Kind(noun="LineageGroup", ascending=True, missing=DOES_NOT_EXIST, duplicate=NAME_IN_USE)


def in_group(call: Call, params: Params) -> Params:
    """What a new lineage entity has besides its input: its account's group in the region, made with the first one."""
    if LINEAGE_GROUP.seek(call.tx, call.context, DEFAULT_GROUP) is None:
        # Two may be the first at once.
        with contextlib.suppress(ResourceInUse):
            created(call, LINEAGE_GROUP, {"LineageGroupName": DEFAULT_GROUP})
    return {"LineageGroupArn": LINEAGE_GROUP.arn(call.context, DEFAULT_GROUP)}


def _new_artifact(call: Call, params: Params) -> Params:
    return {"_id": _source_id(params["Source"]), **in_group(call, params)}


def _source_id(source: Any) -> str:
    """The id of the only artifact that may have this source."""
    types = sorted((each["SourceIdType"], each["Value"]) for each in source.get("SourceTypes") or ())
    return blake2b(orjson.dumps([source["SourceUri"], types]), digest_size=16).hexdigest()


def _locate_artifact(kind: Kind, call: Call, params: Params) -> Document:
    """DeleteArtifact takes the source as well; SDK v3 gives both."""
    arn, source = params.get("ArtifactArn"), params.get("Source")
    if not arn and not source:
        raise ValidationException("Either ArtifactArn or Source must be specified.")
    named = [*([arn] if arn else ()), *([_source_id(source)] if source else ())]
    found = [kind.find(call.tx, call.context, name) for name in named]
    if found[0].key != found[-1].key:
        raise ValidationException(f"ArtifactArn and Source name different artifacts: {found[0].arn}, {found[-1].arn}.")
    return found[0]


def _entity(noun: str, **members: Any) -> Kind:
    """What the kinds of lineage entities have in common; `members` are those of `Kind` in which one differs."""
    common: Params = {
        "initial": in_group,
        "filters": {"SourceUri": "Source.SourceUri"},
        "on_delete": refuse_if_associated,
        "missing": DOES_NOT_EXIST,
        "duplicate": _NAME_TAKEN,
    }
    return Kind(noun=noun, **{**common, **members})


ARTIFACT = _entity(
    "Artifact", identity=("_id",), locate=_locate_artifact, initial=_new_artifact, duplicate=ALREADY_EXISTS
)
# Who tracks an action says how far it is, or never does.
ACTION = _entity("Action", lifecycle=free("", *_ACTION_STATUSES))
CONTEXT = _entity("Context")


def operations(home: Home) -> dict[str, Handler]:
    """The policy of a lineage group, which AWS Resource Access Manager makes when the group is shared."""
    return {"GetLineageGroupPolicy": reading(home, _get_policy)}


def _get_policy(call: Call, params: Params) -> Params:
    group = LINEAGE_GROUP.find(call.tx, call.context, params["LineageGroupName"])
    raise ResourceNotFound(f"Cannot find resource policy for: {group.arn}")
