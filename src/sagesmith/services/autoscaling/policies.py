"""Scaling policies: settings within their target's document. Target tracking has two alarms, which are made here."""

import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from sagesmith.identifiers import random_uuid
from sagesmith.services.autoscaling import targets
from sagesmith.services.autoscaling.scalables import DIMENSIONS, Dimension, Tracked
from sagesmith.services.cloudwatch import alarms
from sagesmith.store import Document, Store, Transaction
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException, ValidationException

HIGH, LOW = "AlarmHigh", "AlarmLow"
DEFAULT_COOLDOWN_SECONDS = 300
_STEP, _TRACKING = "StepScaling", "TargetTrackingScaling"
_SETTINGS = {_STEP: "StepScalingPolicyConfiguration", _TRACKING: "TargetTrackingScalingPolicyConfiguration"}
_LOW_MINUTES = 15
_LOW_PART = 0.9
"""Below this part of the target capacity is taken away, so that it does not go up and down."""
_MINUTE = 60
_OWN = Tracked("", "")
"""A metric of the user's, which says itself what it is."""
_NOT_BUILT = frozenset(
    {
        "SageMakerVariantConcurrentRequestsPerModelHighResolution",
    }
)


def put_scaling_policy(store: Store, context: RequestContext, params: Params) -> Params:
    """Make a policy, or replace one; what was not given again of the kind of policy stays."""
    now = time.time()
    with store.write() as tx:
        target = targets.require(tx, context, params)
        before = target.body["_policies"].get(params["PolicyName"])
        policy = _policy(context, params, before, DIMENSIONS[target.body["ScalableDimension"]], now)
        if before is not None:
            targets.remove_alarms(tx, context.region, before)
        policy["Alarms"] = _make_alarms(tx, context, target, policy, now)
        policies = {**target.body["_policies"], params["PolicyName"]: policy}
        tx.update(replace(target, body={**target.body, "_policies": policies}))
        tx.schedule(targets.KIND, context.region, target.key, now)
    return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}


def describe_scaling_policies(store: Store, context: RequestContext, params: Params) -> Params:
    names = params.get("PolicyNames")
    with store.read() as tx:
        found = [
            {**{each: target.body[each] for each in ("ServiceNamespace", "ResourceId", "ScalableDimension")}, **shown}
            for target in targets.every_target(tx, context.region)
            for name, policy in target.body["_policies"].items()
            for shown in [{member: value for member, value in policy.items() if not member.startswith("_")}]
            if (not names or name in names)
            and params["ServiceNamespace"] == target.body["ServiceNamespace"]
            and params.get("ResourceId", target.body["ResourceId"]) == target.body["ResourceId"]
            and params.get("ScalableDimension", target.body["ScalableDimension"]) == target.body["ScalableDimension"]
        ]
    page, token = targets.paged(found, params, "policies")
    return {"ScalingPolicies": page, "NextToken": token}


def delete_scaling_policy(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        target = targets.require(tx, context, params)
        policies = dict(target.body["_policies"])
        policy = policies.pop(params["PolicyName"], None)
        if policy is None:
            raise AwsError(
                "ObjectNotFoundException",
                f"No scaling policy found for service namespace: {params['ServiceNamespace']}, resource ID: "
                f"{params['ResourceId']}, scalable dimension: {params['ScalableDimension']}, policy name: "
                f"{params['PolicyName']}",
            )
        targets.remove_alarms(tx, context.region, policy)
        tx.update(replace(target, body={**target.body, "_policies": policies}))
    return {}


def _policy(context: RequestContext, params: Params, before: Params | None, dimension: Dimension, now: float) -> Params:
    kind = params.get("PolicyType") or (before["PolicyType"] if before else _STEP)
    if kind not in _SETTINGS:
        raise NotImplementedException(f"PutScalingPolicy: {kind} is not implemented.")
    if before is not None and before["PolicyType"] != kind:
        raise ValidationException("The type of a scaling policy cannot be changed.")
    settings = params.get(_SETTINGS[kind]) or (before or {}).get(_SETTINGS[kind])
    if not settings:
        raise ValidationException(f"{_SETTINGS[kind]} is required for a policy of the type {kind}.")
    if kind == _STEP:
        _check_steps(settings)
    else:
        _check_tracking(settings, params["ScalableDimension"], dimension)
    name = params["PolicyName"]
    arn = (
        f"arn:aws:autoscaling:{context.region}:{context.account_id}:scalingPolicy:{random_uuid()}:"
        f"resource/{params['ServiceNamespace']}/{params['ResourceId']}:policyName/{name}"
    )
    made = {"PolicyARN": arn, "CreationTime": now, "_out_at": 0.0, "_in_at": 0.0}
    kept = {member: before[member] for member in made} if before else made
    return {**kept, "PolicyName": name, "PolicyType": kind, _SETTINGS[kind]: settings, "Alarms": []}


def _check_steps(settings: Params) -> None:
    if not settings.get("AdjustmentType"):
        raise ValidationException("AdjustmentType is required for a step scaling policy.")
    steps = settings.get("StepAdjustments")
    if not steps:
        raise ValidationException("There must be at least one step adjustment.")
    spans = sorted(
        (step.get("MetricIntervalLowerBound", float("-inf")), step.get("MetricIntervalUpperBound", float("inf")))
        for step in steps
    )
    if any(low >= high for low, high in spans):
        raise ValidationException("The lower bound of a step adjustment must be less than its upper bound.")
    for (_, high), (low, _) in pairwise(spans):
        if high > low:
            raise ValidationException("Step adjustment intervals can't overlap.")
        if high < low:
            raise ValidationException("Step adjustment intervals can't have a gap between them.")


def _check_tracking(settings: Params, name: str, dimension: Dimension) -> None:
    if settings["TargetValue"] <= 0:
        raise ValidationException("TargetValue must be greater than 0.")
    predefined, own = settings.get("PredefinedMetricSpecification"), settings.get("CustomizedMetricSpecification")
    if bool(predefined) == bool(own):
        raise ValidationException(
            "One of PredefinedMetricSpecification and CustomizedMetricSpecification must be given, and no more."
        )
    if predefined and (metric := predefined["PredefinedMetricType"]) not in dimension.metrics:
        if metric in _NOT_BUILT:
            raise NotImplementedException(f"PutScalingPolicy: {metric} is not implemented.")
        raise ValidationException(f"The metric {metric} is not one of {name}.")
    if own and "Metrics" not in own and not all(own.get(each) for each in ("MetricName", "Namespace", "Statistic")):
        raise ValidationException("A customized metric has a MetricName, a Namespace and a Statistic.")


def _make_alarms(
    tx: Transaction, context: RequestContext, target: Document, policy: Params, now: float
) -> list[Params]:
    """The two alarms of target tracking: too much for three minutes, too little for fifteen."""
    if policy["PolicyType"] != _TRACKING:
        return []
    settings = policy[_SETTINGS[_TRACKING]]
    goal = settings["TargetValue"]
    predefined = settings.get("PredefinedMetricSpecification") or {}
    dimension = DIMENSIONS[target.body["ScalableDimension"]]
    metric = dimension.metrics.get(predefined.get("PredefinedMetricType", ""), _OWN)
    wanted = [(HIGH, "GreaterThanThreshold", goal, metric.high_periods, metric.period_seconds)]
    if not settings.get("DisableScaleIn"):
        wanted.append((LOW, "LessThanThreshold", goal * _LOW_PART, _LOW_MINUTES, _MINUTE))
    made = []
    for called, comparison, threshold, periods, seconds in wanted:
        name = f"TargetTracking-{target.body['ResourceId']}-{called}-{random_uuid()}"
        alarm = {
            "AlarmName": name,
            "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy['PolicyARN']}.",
            "AlarmActions": [policy["PolicyARN"]],
            "ComparisonOperator": comparison,
            "Threshold": threshold,
            "EvaluationPeriods": periods,
            **_metric(dimension.dimensions(target.body["ResourceId"]), metric, settings, seconds),
        }
        document = alarms.put(tx, context, alarm, now)
        made.append({"AlarmName": name, "AlarmARN": document.arn})
    return made


def _metric(dimensions: Mapping[str, str], metric: Tracked, settings: Params, period_seconds: int) -> Params:
    own = settings.get("CustomizedMetricSpecification")
    if own and "Metrics" in own:
        queries = []
        for each in own["Metrics"]:
            stat = each.get("MetricStat")
            queries.append({**each, "MetricStat": {**stat, "Period": 60}} if stat else {**each, "Period": 60})
        return {"Metrics": queries}
    if own:
        return {"Period": 60, **{member: own[member] for member in own if member != "Metrics"}}
    return {
        "Namespace": "AWS/SageMaker",
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        "Statistic": metric.statistic,
        "Period": period_seconds,
    }
