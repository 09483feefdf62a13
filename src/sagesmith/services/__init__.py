"""AWS services, one package each. This is the list of those that are built."""

from collections.abc import Mapping

from sagesmith.services import iam, kms, logs, sagemaker, sts
from sagesmith.services.base import Home
from sagesmith.wire.context import Handler


def all_handlers(home: Home) -> Mapping[str, Mapping[str, Handler]]:
    """Every operation that is built, by botocore's service name and operation name."""
    return {
        "iam": iam.handlers(home),
        "kms": kms.handlers(home),
        "logs": logs.handlers(home),
        "sagemaker": sagemaker.handlers(home),
        "sts": sts.handlers(home),
    }
