"""Amazon SageMaker: one module a resource family declares its kinds, `engine` makes their operations.

Every `Kind` that a module of this package holds is built: a new one needs its own file alone.
"""

import importlib
import os
import pkgutil
from collections.abc import Callable
from types import ModuleType

from sagesmith.services.base import Home
from sagesmith.services.reconcile import Reconciler
from sagesmith.services.sagemaker.component_serving import ComponentReconciler
from sagesmith.services.sagemaker.engine import Kind, guard, handlers_of
from sagesmith.services.sagemaker.jobs import JobKind, JobReconciler, Line
from sagesmith.services.sagemaker.jobs import line as jobs_line
from sagesmith.services.sagemaker.not_built import NOT_BUILT
from sagesmith.services.sagemaker.processing import ProcessingJobs
from sagesmith.services.sagemaker.recommender.reconciler import RecommendationReconciler
from sagesmith.services.sagemaker.route_table import RouteTable
from sagesmith.services.sagemaker.serverless import IDLE_SECONDS
from sagesmith.services.sagemaker.serving import CREDENTIALS_SECONDS, EndpointReconciler
from sagesmith.services.sagemaker.shadow_tests import ShadowTestReconciler
from sagesmith.services.sagemaker.state_changes import observer
from sagesmith.services.sagemaker.training import TrainingJobs
from sagesmith.services.sagemaker.transform import TransformJobs
from sagesmith.services.sagemaker.tuning.reconciler import TuningReconciler, waker
from sagesmith.services.sagemaker.warm_pools import WarmPools
from sagesmith.store import Observer
from sagesmith.wire.context import Handler


def _modules() -> list[ModuleType]:
    """The families' modules and packages, by name."""
    names = [each.name for each in pkgutil.iter_modules(__path__) if each.name != "engine"]
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


def _declared() -> tuple[Kind, ...]:
    """The kinds of all modules here, each once."""
    kinds = [value for module in _modules() for value in vars(module).values() if isinstance(value, Kind)]
    return tuple(dict.fromkeys(kinds))


KINDS = _declared()
JOBS: tuple[JobKind, ...] = (TrainingJobs(), ProcessingJobs(), TransformJobs())
"""The kinds of jobs that the engine runs; one line for all of them."""

__all__ = ["KINDS", "NOT_BUILT", "handlers", "observers", "reconcilers", "written"]


def written(home: Home) -> dict[str, Handler]:
    """The operations that are written by hand: those of every module that has `operations(home)`."""
    found: dict[str, Handler] = {}
    for module in _modules():
        operations: Callable[[Home], dict[str, Handler]] | None = getattr(module, "operations", None)
        if operations is not None:
            found.update(operations(home))
    return found


def handlers(home: Home) -> dict[str, Handler]:
    """Every operation that is built, by name; what a module writes by hand stands for what would be made."""
    return {**handlers_of(home, KINDS), **written(home)}


def observers() -> list[Observer]:
    """What holds resources to their lifecycles, writes down that they changed their state, keeps the line of jobs, and
    wakes tuning jobs."""
    return [guard(KINDS), observer(KINDS), jobs_line.observer(JOBS, WarmPools()), waker]


def reconcilers(home: Home) -> list[Reconciler]:
    """What gives jobs and endpoints a life of their own.

    `SAGESMITH_ENDPOINT_CREDENTIALS_SECONDS` is how long the credentials of a model server live, a week by default;
    `SAGESMITH_SERVERLESS_IDLE_SECONDS`, how long a serverless endpoint is awake after its last request.
    """
    limit = home.platform.max_jobs
    credentials_seconds = float(os.environ.get("SAGESMITH_ENDPOINT_CREDENTIALS_SECONDS") or CREDENTIALS_SECONDS)
    line = Line(limit, WarmPools())
    jobs = [JobReconciler(each, line) for each in JOBS]
    routes = RouteTable(home.platform.dir.routes_file)
    idle_seconds = float(os.environ.get("SAGESMITH_SERVERLESS_IDLE_SECONDS") or IDLE_SECONDS)
    serving: list[Reconciler] = [
        EndpointReconciler(routes, limit, credentials_seconds, idle_seconds),
        ComponentReconciler(routes, credentials_seconds),
    ]
    return [*jobs, TuningReconciler(), *serving, ShadowTestReconciler(), RecommendationReconciler()]
