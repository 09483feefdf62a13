"""AI workload configurations: with which requests the inference of a generative model is to be measured. What measures
are benchmark and recommendation jobs.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateAIWorkloadConfig.html
"""

from sagesmith.services.sagemaker.engine import DOES_NOT_EXIST, NAME_IN_USE, Call, Kind
from sagesmith.store import Document
from sagesmith.wire.context import Params


def _tags(call: Call, document: Document, params: Params) -> Params:
    """Other kinds show their tags in ListTags alone."""
    tags = call.tx.tags(document.arn)
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}


AI_WORKLOAD_CONFIG = Kind(
    noun="AIWorkloadConfig",
    lookup=_tags,
    missing=DOES_NOT_EXIST,
    duplicate=NAME_IN_USE,
)
