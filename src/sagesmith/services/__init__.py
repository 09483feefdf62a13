"""AWS services, one package each. This is the list of those that are built."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sagesmith.services.base import Home
from sagesmith.wire.context import Handler

if TYPE_CHECKING:
    from sagesmith.services.reconcile import Reconciler
    from sagesmith.store import Observer


def all_handlers(home: Home) -> Mapping[str, Mapping[str, Handler]]:
    """Every operation that is built, by botocore's service name and operation name."""
    from sagesmith.services import (
        autoscaling,
        cloudtrail,
        cloudwatch,
        iam,
        kms,
        logs,
        sagemaker,
        sagemaker_metrics,
        sns,
        sqs,
        sts,
    )

    return {
        "application-autoscaling": autoscaling.handlers(home),
        "cloudtrail": cloudtrail.handlers(home),
        "cloudwatch": cloudwatch.handlers(home),
        "iam": iam.handlers(home),
        "kms": kms.handlers(home),
        "logs": logs.handlers(home),
        "sagemaker": sagemaker.handlers(home),
        "sagemaker-metrics": sagemaker_metrics.handlers(home),
        "sns": sns.handlers(home),
        "sqs": sqs.handlers(home),
        "sts": sts.handlers(home),
    }


def not_built() -> Mapping[str, Mapping[str, str]]:
    """The operations of SageMaker that are not built → the capability that will bring them, by service name."""
    from sagesmith.services import sagemaker

    return {"sagemaker": sagemaker.NOT_BUILT}


def reconcilers(home: Home) -> "Sequence[Reconciler]":
    """What gives resources a life of their own, for `reconcile.ReconcileLoop`."""
    from sagesmith.services import autoscaling, cloudwatch, sagemaker

    return [*sagemaker.reconcilers(home), *cloudwatch.reconcilers(), *autoscaling.reconcilers()]


def observers() -> "Sequence[Observer]":
    """What looks at every change of a resource within its transaction, for `Store.on_change`."""
    from sagesmith.services import sagemaker

    return sagemaker.observers()
