"""Amazon SageMaker: one module a resource family declares its kinds, `engine` makes their operations."""

import os

from sagesmith.services.base import Home
from sagesmith.services.reconcile import Reconciler
from sagesmith.services.sagemaker.endpoint_configs import ENDPOINT_CONFIG
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import handlers_of
from sagesmith.services.sagemaker.models import MODEL
from sagesmith.services.sagemaker.serving import CREDENTIALS_SECONDS, EndpointReconciler
from sagesmith.services.sagemaker.training import TrainingReconciler
from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
from sagesmith.wire.context import Handler

KINDS = (MODEL, ENDPOINT_CONFIG, ENDPOINT, TRAINING_JOB)


def handlers(home: Home) -> dict[str, Handler]:
    """Every operation that is built, by name."""
    return handlers_of(home, KINDS)


def reconcilers(home: Home) -> list[Reconciler]:
    """What gives training jobs and endpoints a life of their own.

    `SAGESMITH_ENDPOINT_CREDENTIALS_SECONDS` is how long the credentials of a model server live, a week by default.
    """
    limit = home.platform.max_jobs
    credentials_seconds = float(os.environ.get("SAGESMITH_ENDPOINT_CREDENTIALS_SECONDS") or CREDENTIALS_SECONDS)
    return [TrainingReconciler(limit), EndpointReconciler(limit, credentials_seconds)]
