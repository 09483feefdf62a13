"""What a job's document says of its load tests: the payload, the load, and when it is enough."""

from sagesmith.services.sagemaker.recommender.measures import Conditions
from sagesmith.services.sagemaker.recommender.traffic import Level, by_default, of_pattern
from sagesmith.wire.context import Params

TESTS, PAYLOAD, CONTENT_TYPES = "_tests", "_payload", "_content_types"


def levels_of(body: Params) -> list[Level]:
    """The load of each test."""
    given = body["InputConfig"]
    if pattern := given.get("TrafficPattern"):
        return list(of_pattern(pattern))
    whole = given.get("JobDurationInSeconds")
    # As long again goes by until an endpoint is in service, and until it is gone.
    rounds = -(-len(body[TESTS]) // at_once(body))
    return by_default(None if whole is None else whole / max(1, rounds) / 2)


def at_once(body: Params) -> int:
    """How many tests run at a time: one where the job does not say, for several on one machine measure each other."""
    return int((body["InputConfig"].get("ResourceLimit") or {}).get("MaxParallelOfTests") or 1)


def conditions_of(body: Params) -> Conditions:
    """When a test is over before its load is."""
    given = body.get("StoppingConditions") or {}
    thresholds: list[Params] = given.get("ModelLatencyThresholds") or [{}]
    (threshold,) = thresholds
    return Conditions(
        percentile=threshold.get("Percentile", "P95").lower(),
        latency_ms=threshold.get("ValueInMilliseconds"),
        per_minute=given.get("MaxInvocations"),
        flat=given.get("FlatInvocations") != "Continue",
    )
