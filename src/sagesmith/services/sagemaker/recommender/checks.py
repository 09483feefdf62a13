"""What of a CreateInferenceRecommendationsJob contradicts itself."""

import itertools
from collections.abc import Sequence

from sagesmith.services.sagemaker.endpoint_configs import SERVERLESS_MEMORY
from sagesmith.services.sagemaker.recommender.traffic import of_pattern
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

MOST_SECONDS = 18_000
MOST_USERS = 1_000


def check(params: Params) -> None:
    """Raise ValidationException if an input makes no sense."""
    given = params["InputConfig"]
    if given.get("ModelName") and given.get("ModelPackageVersionArn"):
        raise ValidationException("ModelName and ModelPackageVersionArn cannot both be given: use one of them.")
    if given.get("Endpoints") and given.get("EndpointConfigurations"):
        raise ValidationException("Endpoints and EndpointConfigurations cannot both be given: use one of them.")
    if not any(given.get(each) for each in ("ModelName", "ModelPackageVersionArn", "Endpoints")):
        raise ValidationException("InputConfig needs a ModelPackageVersionArn, a ModelName or Endpoints.")
    if given.get("JobDurationInSeconds", 0) > MOST_SECONDS:
        raise ValidationException(f"JobDurationInSeconds can be {MOST_SECONDS} at most.")
    _check_traffic(given)
    _check_configurations(given.get("EndpointConfigurations") or ())
    _check_conditions(params.get("StoppingConditions") or {})


def _check_traffic(given: Params) -> None:
    pattern = given.get("TrafficPattern")
    if not pattern:
        return
    kind = pattern.get("TrafficType", "PHASES")
    wanted, other = ("Stairs", "Phases") if kind == "STAIRS" else ("Phases", "Stairs")
    if not pattern.get(wanted):
        raise ValidationException(f"{wanted} is required when TrafficType is {kind}.")
    if pattern.get(other):
        raise ValidationException(
            f"{other} can be given only when TrafficType is {'PHASES' if wanted == 'Stairs' else 'STAIRS'}."
        )
    parts, members = (
        ([pattern["Stairs"]], ("DurationInSeconds", "NumberOfSteps", "UsersPerStep"))
        if wanted == "Stairs"
        else (pattern["Phases"], ("DurationInSeconds", "InitialNumberOfUsers"))
    )
    for part, member in itertools.product(parts, members):
        if part.get(member) is None:
            raise ValidationException(f"{member} is required in {wanted}.")
    if sum(part["DurationInSeconds"] for part in parts) > given.get("JobDurationInSeconds", MOST_SECONDS):
        raise ValidationException("The DurationInSeconds of a TrafficPattern cannot exceed JobDurationInSeconds.")
    # Level by level, and users are ever more within a phase: this ends with the first level that has too many.
    if any(level.users > MOST_USERS for level in of_pattern(pattern)):
        raise ValidationException(f"A TrafficPattern can have {MOST_USERS} users at most.")


def _check_configurations(configurations: Sequence[Params]) -> None:
    for each in configurations:
        if bool(each.get("InstanceType")) == bool(each.get("ServerlessConfig")):
            raise ValidationException("An endpoint configuration needs either an InstanceType or a ServerlessConfig.")
        serverless = each.get("ServerlessConfig") or {}
        if serverless.get("ProvisionedConcurrency"):
            raise ValidationException(
                "ProvisionedConcurrency is not supported for serverless endpoint recommendations for Inference "
                "Recommender jobs."
            )
        if serverless.get("MemorySizeInMB", SERVERLESS_MEMORY[0]) not in SERVERLESS_MEMORY:
            raise ValidationException(f"MemorySizeInMB must be one of {[*SERVERLESS_MEMORY]}.")


def _check_conditions(conditions: Params) -> None:
    for threshold in conditions.get("ModelLatencyThresholds") or ():
        if threshold.get("Percentile") not in ("P95", "P99"):
            raise ValidationException("The Percentile of ModelLatencyThresholds must be P95 or P99.")
        if threshold.get("ValueInMilliseconds", 0) < 1:
            raise ValidationException("The ValueInMilliseconds of ModelLatencyThresholds must be at least 1.")
    if conditions.get("MaxInvocations", 1) < 1:
        raise ValidationException("MaxInvocations must be at least 1.")
