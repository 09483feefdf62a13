"""Inference experiments."""

import datetime

from tests.conformance.facts import Facts
from tests.conformance.model import Params

_DAY = datetime.timedelta(days=1)
_NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
_VARIANTS = ("production", "shadow")


def _named(params: Params) -> Params:
    """Two variants, which are called as the configuration has it."""
    if "ModelVariants" in params:
        first = params["ModelVariants"][0]
        params["ModelVariants"] = [{**first, "VariantName": name} for name in _VARIANTS]
    return params


def _mode(sampling: int) -> Params:
    shadow = {"ShadowModelVariantName": "shadow", "SamplingPercentage": sampling}
    return {"SourceModelVariantName": "production", "ShadowModelVariants": [shadow]}


def _rolled_back(known: Params) -> Params:
    return {"production": "Retain", "shadow": "Remove"}


INFERENCE_EXPERIMENT = Facts(
    "InferenceExperiment",
    mend=_named,
    mend_update=_named,
    values={
        "Schedule": {"StartTime": _NOW - _DAY, "EndTime": _NOW + _DAY},
        "UpdateInferenceExperiment:Schedule": {"EndTime": _NOW + 2 * _DAY},
        "ModelVariants[].InfrastructureConfig.RealTimeInferenceConfig.InstanceCount": 1,
        "ShadowModeConfig": _mode(50),
        "UpdateInferenceExperiment:ShadowModeConfig": _mode(30),
    },
    called={"ModelVariantActions": _rolled_back},
    shown={"EndpointName": "EndpointMetadata.EndpointName"},
    lives=True,
    exceptions={"ListInferenceExperiments.Type: excludes nothing": "there is one type of experiments, ShadowMode"},
)
