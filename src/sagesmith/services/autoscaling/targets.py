"""Scalable targets: which variant may have how many instances, which component how many copies, and what was done.

A target is one document, with its policies, its scheduled actions and its last activities; see `policies`, `scheduled`
and `scaling`.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from sagesmith.identifiers import random_uuid
from sagesmith.services import offset_pages
from sagesmith.services.autoscaling import activities
from sagesmith.services.autoscaling.scalables import DIMENSIONS, Scalable
from sagesmith.services.cloudwatch import alarms
from sagesmith.store import Document, Query, Store, Transaction
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError, ValidationException

KIND = "scalable-target"
NAMESPACE = "sagemaker"
SERVICE_ROLE = (
    "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
_DEFAULT_PAGE = 50


def register_scalable_target(store: Store, context: RequestContext, params: Params) -> Params:
    """Make a target, or change the bounds of one; what is not given stays."""
    _require_supported(params)
    now, key = time.time(), key_of(params)
    with store.write() as tx:
        before = tx.lock(KIND, context.region, key, exclusive=True)
        body = _bounds(params, before)
        found = scalable_of(tx, context.region, params)
        if found is not None and body["MinCapacity"] == 0 and found.never_empty:
            raise ValidationException(f"MinCapacity must be at least 1 for {params['ResourceId']}: {found.never_empty}")
        if before is not None:
            tx.update(replace(before, body=body))
            tx.schedule(KIND, context.region, key, now)
            return {"ScalableTargetARN": before.arn}
        if found is None:
            noun = DIMENSIONS[params["ScalableDimension"]].noun
            raise ValidationException(f"There is no SageMaker {noun} of the resource ID {params['ResourceId']}.")
        arn = (
            f"arn:aws:application-autoscaling:{context.region}:{context.account_id}:"
            f"scalable-target/{random_uuid().replace('-', '')}"
        )
        role = f"arn:aws:iam::{context.account_id}:{SERVICE_ROLE}"
        body |= {"CreationTime": now, "RoleARN": role, "_policies": {}, "_scheduled": {}, "_activities": []}
        tx.create(Document(KIND, context.region, key, key, arn, body), dict(params.get("Tags") or {}))
        tx.schedule(KIND, context.region, key, now)
    return {"ScalableTargetARN": arn}


def deregister_scalable_target(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        remove(tx, require(tx, context, params))
    return {}


def describe_scalable_targets(store: Store, context: RequestContext, params: Params) -> Params:
    with store.read() as tx:
        found = [each for each in every_target(tx, context.region) if is_asked(each, params)]
    page, token = paged([_described(each) for each in found], params, "targets")
    return {"ScalableTargets": page, "NextToken": token}


def describe_scaling_activities(store: Store, context: RequestContext, params: Params) -> Params:
    """What was done, the newest first; of each target no more than the last hundred activities are kept."""
    with store.read() as tx:
        found = [
            {**named(each), **activities.shown(activity)}
            for each in every_target(tx, context.region)
            if is_asked(each, params)
            for activity in each.body["_activities"]
        ]
    # Of those that began at the same moment the later one comes first, too.
    found.reverse()
    found.sort(key=lambda activity: activity["StartTime"], reverse=True)
    page, token = paged(found, params, "activities")
    return {"ScalingActivities": page, "NextToken": token}


def list_tags_for_resource(store: Store, context: RequestContext, params: Params) -> Params:
    with store.read() as tx:
        _require_arn(tx, context, params["ResourceARN"])
        return {"Tags": tx.tags(params["ResourceARN"])}


def tag_resource(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        _require_arn(tx, context, params["ResourceARN"])
        tx.put_tags(params["ResourceARN"], params["Tags"])
    return {}


def untag_resource(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        _require_arn(tx, context, params["ResourceARN"])
        tx.remove_tags(params["ResourceARN"], params["TagKeys"])
    return {}


def key_of(params: Params) -> str:
    return f"{params['ScalableDimension']}|{params['ResourceId']}"


def require(tx: Transaction, context: RequestContext, params: Params) -> Document:
    """
    Raises:
        AwsError: ObjectNotFoundException.
    """
    _require_supported(params)
    document = tx.lock(KIND, context.region, key_of(params), exclusive=True)
    if document is None:
        raise AwsError(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: {params['ServiceNamespace']}, resource ID: "
            f"{params['ResourceId']}, scalable dimension: {params['ScalableDimension']}",
        )
    return document


def remove(tx: Transaction, document: Document) -> None:
    """Delete a target with its policies, their alarms, and its scheduled actions."""
    for policy in document.body["_policies"].values():
        remove_alarms(tx, document.region, policy)
    tx.delete(KIND, document.region, document.key)


def remove_alarms(tx: Transaction, region: str, policy: Params) -> None:
    """Delete the alarms that were made for a policy; those that users made for one are theirs."""
    for alarm in policy["Alarms"]:
        if tx.get(alarms.KIND, region, alarm["AlarmName"]) is not None:
            tx.delete(alarms.KIND, region, alarm["AlarmName"])


def scalable_of(tx: Transaction, region: str, target: Params) -> Scalable | None:
    """What a target, or who asks for one, means; None if it is not there."""
    return DIMENSIONS[target["ScalableDimension"]].find(tx, region, target["ResourceId"])


def every_target(tx: Transaction, region: str) -> Iterator[Document]:
    return tx.every(Query(KIND, region, sort="name", descending=False, limit=100))


def paged(found: list[Params], params: Params, of: str) -> tuple[list[Params], str | None]:
    """The page that an input of Describe asks for."""
    size = params.get("MaxResults", _DEFAULT_PAGE)
    return offset_pages.page_of(found, params.get("NextToken"), size, of, _invalid_token)


def _invalid_token() -> AwsError:
    return AwsError("InvalidNextTokenException", "The next token is invalid.")


def _require_supported(params: Params) -> None:
    if params["ServiceNamespace"] != NAMESPACE or params["ScalableDimension"] not in DIMENSIONS:
        raise ValidationException("Unsupported service namespace, resource type or scalable dimension")


def _bounds(params: Params, before: Document | None) -> Params:
    body: Params = dict(before.body) if before else {"SuspendedState": {}}
    body |= {member: params[member] for member in ("MinCapacity", "MaxCapacity") if member in params}
    missing = [member for member in ("MinCapacity", "MaxCapacity") if member not in body]
    if missing:
        raise ValidationException(f"{' and '.join(missing)} must be given when a scalable target is registered.")
    if body["MinCapacity"] < 0 or body["MaxCapacity"] < body["MinCapacity"]:
        raise ValidationException("Maximum capacity cannot be less than minimum capacity")
    body["SuspendedState"] = {**body["SuspendedState"], **(params.get("SuspendedState") or {})}
    return body | {each: params[each] for each in ("ServiceNamespace", "ResourceId", "ScalableDimension")}


def named(document: Document) -> Params:
    """The members that say which target something is of."""
    return {each: document.body[each] for each in ("ServiceNamespace", "ResourceId", "ScalableDimension")}


def _described(document: Document) -> Params:
    suspended = dict.fromkeys(
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False
    )
    shown = {member: value for member, value in document.body.items() if not member.startswith("_")}
    return {
        **shown,
        "SuspendedState": {**suspended, **document.body["SuspendedState"]},
        "ScalableTargetARN": document.arn,
    }


def is_asked(document: Document, params: Params) -> bool:
    """Whether an input of Describe is about a target."""
    body = document.body
    ids = params.get("ResourceIds") or ([params["ResourceId"]] if "ResourceId" in params else [body["ResourceId"]])
    dimension = params.get("ScalableDimension", body["ScalableDimension"])
    return (
        params["ServiceNamespace"] == body["ServiceNamespace"]
        and body["ResourceId"] in ids
        and dimension == body["ScalableDimension"]
    )


def _require_arn(tx: Transaction, context: RequestContext, arn: str) -> None:
    document = tx.get_by_arn(arn)
    if document is None or document.kind != KIND or document.region != context.region:
        raise AwsError("ResourceNotFoundException", f"The scalable target {arn} does not exist.")
