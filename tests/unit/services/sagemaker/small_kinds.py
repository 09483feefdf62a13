"""Small kinds that engine tests declare from the API's own operations."""

from typing import Any

from sagesmith.services.sagemaker.engine import DOES_NOT_EXIST, NAME_IN_USE, Kind
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked
from tests.unit.services.sagemaker.world import ROLE, World


def experiments() -> tuple[Kind, Kind]:
    """Experiments, and trials that belong to one."""
    experiment = Kind(noun="Experiment", missing=DOES_NOT_EXIST, summary={"ExperimentSource": "Source"})
    trial = Kind(
        noun="Trial",
        resource_type="experiment-trial",
        parent=experiment,
        missing=DOES_NOT_EXIST,
        filters={"TrialComponentName": "_components[]"},
        initial=lambda call, params: {"_components": ["c1", params["TrialName"]]},
        summary={"TrialSource": "Source"},
        search="ExperimentTrial",
    )
    return experiment, trial


def pipelines() -> Kind:
    """Pipelines, without their definition."""
    return Kind(noun="Pipeline", filters={"ManagedBy": "_manager"}, rests_as="Active", duplicate=NAME_IN_USE)


def long(token: str) -> str:
    """A client token of a pipeline: 32 characters at least."""
    return token.ljust(32, ".")


def create_pipeline(world: World, name: str, token: str, **changes: Any) -> Params:
    """Create one with a client token, made as long as it must be."""
    return checked(world, "CreatePipeline", PipelineName=name, ClientRequestToken=long(token), RoleArn=ROLE, **changes)
