"""What is wrong with the settings of an alarm.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from collections.abc import Iterator

from sagesmith.services.cloudwatch import alarm_rules, queries, rules
from sagesmith.services.cloudwatch.extended import SIMPLE, statistic
from sagesmith.wire.context import Params
from sagesmith.wire.errors import NotImplementedException

_DAY, _WEEK = 86_400, 604_800
_NOT_BUILT = {
    "EvaluationCriteria": "PromQL alarms are",
    "EvaluationWindow": "Evaluation windows are",
    "EvaluationInterval": "Evaluation intervals are",
    "WarmUpConfiguration": "Warm-up periods are",
    "ActionConfiguration": "The propagation of tags is",
    "ThresholdMetricId": "Anomaly detection is",
}


def check(params: Params, account_id: str) -> None:
    """
    Raises:
        AwsError: ValidationError, with all that is wrong.
        NotImplementedException: what is asked for is not built.
    """
    for member, words in _NOT_BUILT.items():
        if member in params:
            raise NotImplementedException(f"PutMetricAlarm: {words} not built yet ({member}).")
    if params.get("ComparisonOperator") not in alarm_rules.COMPARISONS and params.get("ComparisonOperator"):
        raise NotImplementedException("PutMetricAlarm: Anomaly detection is not built yet (ComparisonOperator).")
    wrong = [*_missing(params), *_wrong(params)]
    if wrong:
        raise queries.refused(*wrong)
    if "Metrics" in params:
        returned = [each for each in queries.parse(params["Metrics"], account_id) if each.returned]
        if len(returned) != 1:
            raise queries.refused("Exactly one element of the metrics list should return data.")
        if returned[0].period is None:
            raise queries.refused("Period must not be null")


def _missing(params: Params) -> Iterator[str]:
    for member in ("ComparisonOperator", "EvaluationPeriods", "Threshold"):
        if member not in params:
            yield f"The parameter {member} is required."
    if "Metrics" in params:
        for member in ("MetricName", "Namespace", "Dimensions", "Period", "Statistic", "ExtendedStatistic", "Unit"):
            if member in params:
                yield rules.both(member, "Metrics")
        return
    for member in ("MetricName", "Namespace", "Period"):
        if member not in params:
            yield f"The parameter {member} is required."
    if ("Statistic" in params) == ("ExtendedStatistic" in params):
        one_of = "The parameter Statistic or ExtendedStatistic is required."
        yield rules.both("Statistic", "ExtendedStatistic") if "Statistic" in params else one_of


def _wrong(params: Params) -> Iterator[str]:
    period, count = params.get("Period", 60), params.get("EvaluationPeriods", 1)
    if not rules.is_period(period) or period in (1, 5):
        yield "Period must be 10, 20, 30 or a multiple of 60"
    if period * count > (_WEEK if period >= 3600 else _DAY):
        yield "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)."
    if params.get("DatapointsToAlarm", 1) > count:
        yield "DatapointsToAlarm should be less than or equal to EvaluationPeriods"
    if params.get("TreatMissingData", alarm_rules.MISSING) not in alarm_rules.TREATMENTS:
        yield (
            f"Option {params['TreatMissingData']} is not supported. "
            f"Supported options for parameter TreatMissingData are [{', '.join(alarm_rules.TREATMENTS)}]."
        )
    if params.get("EvaluateLowSampleCountPercentile", "evaluate") not in ("evaluate", "ignore"):
        yield "Supported options for parameter EvaluateLowSampleCountPercentile are [evaluate, ignore]."
    extended = params.get("ExtendedStatistic")
    if extended is not None and (statistic(extended) is None or extended in SIMPLE):
        yield f"The value {extended} for parameter ExtendedStatistic is not supported."
