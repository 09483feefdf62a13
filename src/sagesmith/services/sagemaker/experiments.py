"""Experiments, their trials, and trial components: what was tried, with which parameters, and what came of it.

Studio and SDK v2 call a trial a run group, and a trial component a run. A component is in any number of trials, and
knows which; its metrics come through `sagemaker_metrics`.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateExperiment.html, …/API_CreateTrial.html,
…/API_CreateTrialComponent.html, …/API_AssociateTrialComponent.html; of the wording
https://github.com/aws/sagemaker-python-sdk/pull/1515, https://github.com/aws/deep-learning-containers/pull/155
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.associations import disassociate
from sagesmith.services.sagemaker.engine import (
    DOES_NOT_EXIST,
    Call,
    Kind,
    Wording,
    sagemaker_shapes,
    updated,
    view_of,
    writing,
)
from sagesmith.services.sagemaker.lineage import in_group
from sagesmith.store import Document, Query
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceNotFound, ValidationException

_DUPLICATE = Wording(
    ValidationException,
    "{noun} names must be unique within an AWS account and region. {noun} with name ({name}) already exists.",
)
_NOT_ASSOCIATED = Wording(ResourceNotFound, "TrialComponent '{arn}' is not associated with Trial '{other}'.")
_AT_MOST = {"Parameters": 300, "InputArtifacts": 60, "OutputArtifacts": 60}
_SUMMARIES = 1000
"""Of so many components of a trial does Search show a summary."""


def _occupied(others: str) -> Wording:
    return Wording(ValidationException, f"{{noun}} '{{arn}}' is linked to 1 or more {others} and cannot be deleted.")


def _display_name(member: str) -> Callable[[Call, Params], Params]:
    """What is not given a DisplayName is displayed by its name."""
    return lambda call, params: {"DisplayName": params.get("DisplayName") or params[member]}


def _check_parameters(params: Params) -> None:
    for name, value in (params.get("Parameters") or {}).items():
        if len(value) != 1:
            raise ValidationException(
                f"Exactly one of NumberValue and StringValue must be specified: parameter {name}."
            )


def _update_component(call: Call, document: Document, params: Params) -> Document:
    """The limits of a request are also those of what it is merged into."""
    _check_parameters(params)
    # A run logs metrics all the while: without the lock the document would change before it is stored, again and again.
    changed = updated(TRIAL_COMPONENT, locked(call, TRIAL_COMPONENT, document.name, exclusive=True), params)
    for member, most in _AT_MOST.items():
        if (count := len(changed.body.get(member, ()))) > most:
            raise ValidationException(f"A trial component has at most {most} {member}: there would be {count}.")
    return changed


def _new_component(call: Call, params: Params) -> Params:
    return {**_display_name("TrialComponentName")(call, params), **in_group(call, params)}


def _delete_component(call: Call, document: Document) -> None:
    # Read again, because an association may have been made before the lock was there.
    present = call.tx.get(TRIAL_COMPONENT.id, document.region, document.key)
    if present is not None and present.body.get("Parents"):
        raise TRIAL_COMPONENT.error(TRIAL_COMPONENT.occupied, document.arn, document.name)
    call.tx.remove_metrics(document.arn)
    disassociate(call, document)


def _trials_of(call: Call, component: str) -> Iterator[Document]:
    for parent in TRIAL_COMPONENT.find(call.tx, call.context, component).body.get("Parents", ()):
        yield TRIAL.find(call.tx, call.context, parent["TrialName"])


def _component_summaries(call: Call, trial: Document) -> list[Params]:
    """What Search shows of the components of a trial."""
    of_trial = TRIAL_COMPONENT.facets({"Parents": [{"TrialName": trial.name}]})
    query = Query(TRIAL_COMPONENT.id, trial.region, facets=of_trial, limit=_SUMMARIES, descending=False)
    members = {"TrialComponentName", "TrialComponentArn", "CreationTime", "CreatedBy"}
    return [
        {member: value for member, value in view_of(TRIAL_COMPONENT).describe(each).items() if member in members}
        | ({"TrialComponentSource": each.body["Source"]} if "Source" in each.body else {})
        for each in call.tx.list(query).documents
    ]


def _source_detail(call: Call, component: Document) -> Params | None:
    """What Search shows of the job that a component is of."""
    from sagesmith.services.sagemaker.processing_jobs import PROCESSING_JOB  # which make components
    from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
    from sagesmith.services.sagemaker.transform_jobs import TRANSFORM_JOB

    if "Source" not in component.body:
        return None
    detail: Params = {"SourceArn": component.body["Source"]["SourceArn"]}
    for kind in (TRAINING_JOB, PROCESSING_JOB, TRANSFORM_JOB):
        if job := kind.seek(call.tx, call.context, detail["SourceArn"]):
            detail[kind.noun] = sagemaker_shapes().pruned(kind.noun, view_of(kind).describe(job))
    return detail


EXPERIMENT = Kind(
    noun="Experiment",
    initial=_display_name("ExperimentName"),
    on_delete=disassociate,
    summary={"ExperimentSource": "Source"},
    missing=DOES_NOT_EXIST,
    duplicate=_DUPLICATE,
    occupied=_occupied("trials"),
    search="Experiment",
)

TRIAL = Kind(
    noun="Trial",
    resource_type="experiment-trial",
    parent=EXPERIMENT,
    initial=_display_name("TrialName"),
    summary={"TrialSource": "Source"},
    among={"TrialComponentName": _trials_of},
    missing=DOES_NOT_EXIST,
    duplicate=_DUPLICATE,
    occupied=_occupied("trial components"),
    search="ExperimentTrial",
    search_adds={"TrialComponentSummaries": _component_summaries},
)

TRIAL_COMPONENT = Kind(
    noun="TrialComponent",
    resource_type="experiment-trial-component",
    check=_check_parameters,
    # ExperimentAnalytics takes the maps of what Search finds for granted.
    defaults={member: {} for member in _AT_MOST},
    initial=_new_component,
    holds={"Parents[].ExperimentName": EXPERIMENT, "Parents[].TrialName": TRIAL},
    summary={"TrialComponentSource": "Source"},
    filters={
        "ExperimentName": "Parents[].ExperimentName",
        "TrialName": "Parents[].TrialName",
        "SourceArn": "Source.SourceArn",
    },
    exclusive=("ExperimentName", "TrialName", "SourceArn"),
    merges=frozenset(_AT_MOST),
    changes={"UpdateTrialComponent": _update_component},
    on_delete=_delete_component,
    missing=DOES_NOT_EXIST,
    duplicate=_DUPLICATE,
    occupied=_occupied("trials"),
    search="ExperimentTrialComponent",
    search_adds={"SourceDetail": _source_detail},
)


def operations(home: Home) -> dict[str, Handler]:
    """What puts components into trials, and takes them out."""
    return {
        "AssociateTrialComponent": writing(home, _associate),
        "DisassociateTrialComponent": writing(home, _disassociate),
    }


def locked(call: Call, kind: Kind, name: str, exclusive: bool) -> Document:
    """A resource that stays as it is found until the transaction ends (if exclusive), or stays at all."""
    found = call.tx.lock(kind.id, call.context.region, kind.key(name), exclusive)
    if found is None:
        raise kind.not_found(call.context, name)
    return found


def _associate(call: Call, params: Params) -> Params:
    trial = locked(call, TRIAL, params["TrialName"], exclusive=False)
    component = locked(call, TRIAL_COMPONENT, params["TrialComponentName"], exclusive=True)
    associate(call, trial, component)
    return {"TrialArn": trial.arn, "TrialComponentArn": component.arn}


def associate(call: Call, trial: Document, component: Document) -> None:
    """Put a component into a trial, if it is not there; the trial stays, and nobody else changes the component."""
    parent = {"TrialName": trial.name, "ExperimentName": trial.body["ExperimentName"]}
    parents = component.body.get("Parents", [])
    if parent not in parents:
        _store_parents(call, component, [*parents, parent])


def _disassociate(call: Call, params: Params) -> Params:
    trial = locked(call, TRIAL, params["TrialName"], exclusive=False)
    component = locked(call, TRIAL_COMPONENT, params["TrialComponentName"], exclusive=True)
    parents = component.body.get("Parents", [])
    others = [each for each in parents if each["TrialName"] != trial.name]
    if others == parents:
        raise TRIAL_COMPONENT.error(_NOT_ASSOCIATED, component.arn, component.name, trial.arn)
    _store_parents(call, component, others)
    return {"TrialArn": trial.arn, "TrialComponentArn": component.arn}


def _store_parents(call: Call, component: Document, parents: list[Params]) -> None:
    """Store the trials of a component, which do not count as a change of itself."""
    body = {**component.body, "Parents": parents}
    call.tx.update(replace(component, body=body, facets=TRIAL_COMPONENT.facets(body)), touch=False)
