"""What a job tells at its end, and what it says in its log."""

import math
import os
from collections.abc import Sequence

from sagesmith.compute.instances import size_of
from sagesmith.services.base import Home
from sagesmith.services.sagemaker.recommender import prices
from sagesmith.services.sagemaker.recommender.load_tests import (
    LoadTest,
    configuration,
    endpoint_configuration,
    priced,
)
from sagesmith.services.sagemaker.recommender.measures import Conditions, Measured
from sagesmith.store import Document
from sagesmith.wire.context import Params

MOST = 10
"""Recommendations, as in the API's model."""


def told(document: Document, tests: Sequence[LoadTest]) -> Params:
    """The members of Describe that have the results; empty if there are none."""
    measured = [each for each in tests if each.result]
    if not measured:
        return {}
    if not measured[0].own:
        (test,) = measured
        metrics = priced(test.result)
        shown = {name: metrics[name] for name in ("MaxInvocations", "ModelLatency")}
        return {"EndpointPerformances": [{"Metrics": shown, "EndpointInfo": {"EndpointName": test.endpoint}}]}
    wanted = (document.body.get("StoppingConditions") or {}).get("MaxInvocations")
    ranked = sorted(measured, key=_rank)[:MOST]
    return {"InferenceRecommendations": [_recommendation(document, each, wanted) for each in ranked]}


def _rank(test: LoadTest) -> tuple[float, float, int]:
    """The cheapest inference first; where no price is known, after those, the most invocations."""
    return (test.result.get("inference", math.inf), -test.result["per_minute"], test.number)


def _recommendation(document: Document, test: LoadTest, wanted_per_minute: int | None) -> Params:
    shown: Params = {
        "RecommendationId": f"{document.name}/{document.body['_id'][:6]}{test.number:02d}",
        "Metrics": priced(test.result),
        "EndpointConfiguration": endpoint_configuration(test, wanted_per_minute),
        "ModelConfiguration": configuration(test),
    }
    if test.began_at is not None and test.ended_at is not None:
        shown |= {"InvocationStartTime": test.began_at, "InvocationEndTime": test.ended_at}
    return shown


def setup(test: LoadTest) -> dict[str, float]:
    """How long it took until there was an answer, as `setup_seconds`: of a serverless endpoint, from none at all."""
    if test.serverless is not None:
        return {} if test.first_answer_seconds is None else {"setup_seconds": test.first_answer_seconds}
    if test.created_at is None or test.in_service_at is None:
        return {}
    return {"setup_seconds": test.in_service_at - test.created_at}


def price(home: Home, test: LoadTest) -> dict[str, float]:
    """What an `hour` of a test's instance costs, and an `inference`; nothing if that is not known."""
    try:
        table = prices.read(home.platform.prices)
    except prices.PricesUnreadable:
        return {}
    if test.serverless is not None:
        if table.serverless_gb_second is None:
            return {}
        gigabytes = test.serverless["MemorySizeInMB"] / 1024
        return {"inference": table.serverless_gb_second * gigabytes * test.result["latency_ms"] / 1000}
    hour = table.hour.get(test.instance_type)
    return {} if hour is None else {"hour": hour, "inference": hour / (60 * test.result["per_minute"])}


def in_words(home: Home, shown: Params) -> list[str]:
    """What a log says of the recommendations: above all where the costs are from, and what has none."""
    recommended = shown.get("InferenceRecommendations") or []
    if not recommended:
        return []
    try:
        lines = [f"Costs are by {prices.read(home.platform.prices)}"]
    except prices.PricesUnreadable as error:
        lines = [f"There are no cost figures. {error}"]
        return lines
    without = {
        each["EndpointConfiguration"].get("InstanceType", "serverless inference")
        for each in recommended
        if "CostPerInference" not in each["Metrics"]
    }
    if without:
        lines.append(f"No price is known of {', '.join(sorted(without))}: set one by SAGESMITH_PRICES")
    return lines


def larger_than_this_machine(test: LoadTest) -> list[str]:
    """What a log says of a type that has more vCPUs than there are cores."""
    if test.serverless is not None:
        return []
    instance_type = test.instance_type
    size, cores = size_of(instance_type), os.cpu_count() or 1
    if size is None:
        return [f"The size of {instance_type} is not known: it is measured with all that this machine has"]
    if size.vcpus <= cores:
        return []
    return [
        f"{instance_type} has {size.vcpus} vCPUs and this machine {cores} cores: what is measured is of this machine, "
        "and less than such an instance can do"
    ]


def why_nothing(levels: Sequence[Measured], conditions: Conditions, stopping: str) -> str:
    """Why a load test has no result."""
    if not levels:
        return f"ClientError: no level of the load came to its end: {stopping or 'it took too short a time'}."
    if all(each.per_minute == 0 for each in levels):
        return "ClientError: the endpoint answered no invocation."
    if all(each.error_share >= 0.5 for each in levels):
        return "ClientError: most invocations of the endpoint failed; its log says why."
    least = min(each.latency_ms for each in levels)
    return (
        f"ClientError: the model's latency ({conditions.percentile.upper()}) is {least:.0f} ms, which is above the "
        f"threshold of {conditions.latency_ms} ms."
    )


def why_failed(tests: Sequence[LoadTest]) -> str:
    """Why a job has no recommendation."""
    reasons = list(dict.fromkeys(each.failure for each in tests if each.failure))
    if not reasons:
        return "ClientError: JobDurationInSeconds was over before anything was measured."
    return reasons[0] if len(reasons) == 1 else f"ClientError: every load test failed. {' '.join(reasons)}"
