"""Inference experiments (shadow tests): what is asked for. What becomes of it is the reconciler's (`shadow_tests`).

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateInferenceExperiment.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests-create.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests-view-monitor-edit-individual.html
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sagesmith.services.sagemaker.endpoint_configs import ENDPOINT_CONFIG
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import Call, Kind, Lifecycle, Refusal, Wording, paths, updated
from sagesmith.services.sagemaker.models import MODEL
from sagesmith.services.sagemaker.on_behalf import creator_of
from sagesmith.store import Document, Query, Transaction
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ConflictException, ResourceInUse, ResourceNotFound, ValidationException

DAY_SECONDS = 86_400.0
DEFAULT_DAYS, MOST_DAYS = 7, 30
ENDED = frozenset({"Completed", "Cancelled"})
UNDER_WAY = frozenset({"Creating", "Starting", "Running", "Updating", "Stopping"})
IN_USE = 'Endpoint "{name}" is used by inference experiment "{arn}".'
DEPLOYED = ("ModelVariants", "ShadowModeConfig", "DataStorageConfig")
"""The members that an endpoint configuration is made of."""
RESTS_IN = "_rests_in"
"""The member that has the status to which an update leads back: Created or Running."""
FORMER = "_former"
"""The member that has what the endpoint was before the experiment changed it."""
ENDING = "_ending"
"""The member that says how an experiment is to end: its last status, why, and the variants that are left."""


def _check(params: Params) -> None:
    _check_variants(params["ModelVariants"], params["ShadowModeConfig"])
    _check_schedule(params.get("Schedule") or {}, time.time())


def _check_variants(variants: Sequence[Params], mode: Params) -> None:
    names = [each["VariantName"] for each in variants]
    if len(set(names)) < len(names):
        raise ValidationException(f"Variant names must be unique within an inference experiment: {names[0]}.")
    source = mode["SourceModelVariantName"]
    wanted = [source, *(each["ShadowModelVariantName"] for each in mode["ShadowModelVariants"])]
    if source in wanted[1:]:
        raise ValidationException(f"Variant {source} cannot be both the production variant and the shadow variant.")
    for name in wanted:
        if name not in names:
            raise ValidationException(f"ModelVariants has no variant {name}, which ShadowModeConfig names.")
    for name in names:
        if name not in wanted:
            raise ValidationException(f"ModelVariants has a variant {name}, which ShadowModeConfig does not name.")
    if any(each["SamplingPercentage"] < 0 for each in mode["ShadowModelVariants"]):
        raise ValidationException("SamplingPercentage must be between 0 and 100.")
    _check_instances(variants)


def _check_instances(variants: Sequence[Params]) -> None:
    for each in variants:
        if each["InfrastructureConfig"]["RealTimeInferenceConfig"]["InstanceCount"] < 1:
            raise ValidationException(f"Variant {each['VariantName']}: InstanceCount must be at least 1.")


def _check_schedule(schedule: Params, now: float) -> None:
    start = max(schedule.get("StartTime") or now, now)
    end = schedule.get("EndTime")
    if end is None:
        return
    if end <= start:
        raise ValidationException(
            "The EndTime of an inference experiment must be after its StartTime and in the future."
        )
    if end - start > MOST_DAYS * DAY_SECONDS:
        raise ValidationException(f"An inference experiment can last for {MOST_DAYS} days at most.")


_INCOMPATIBLE = {
    "AsyncInferenceConfig": "asynchronous inference",
    "ProductionVariants[].ServerlessConfig": "serverless inference",
    "ProductionVariants[].ManagedInstanceScaling": "managed instance scaling",
}
"""Paths in an endpoint configuration: what a shadow test cannot be made of.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests-create.html
"""


def _check_models(call: Call, variants: Sequence[Params]) -> None:
    for each in variants:
        model = MODEL.find(call.tx, call.context, each["ModelName"])
        containers = model.body.get("Containers") or [model.body["PrimaryContainer"]]
        if len(containers) > 1 or any(container.get("Mode") == "MultiModel" for container in containers):
            raise ValidationException(
                f'Model "{model.arn}" cannot be in an inference experiment: it has several containers or models.'
            )


def _initial(call: Call, params: Params) -> Params:
    endpoint = ENDPOINT.find(call.tx, call.context, params["EndpointName"])
    _check_endpoint(call, endpoint)
    _check_models(call, params["ModelVariants"])
    schedule = params.get("Schedule") or {}
    start = schedule.get("StartTime") or call.now
    end = schedule.get("EndTime") or start + DEFAULT_DAYS * DAY_SECONDS
    return {
        "Schedule": {"StartTime": start, "EndTime": end},
        "_id": uuid.uuid4().hex[:8],
        "_endpoint": endpoint.key,
        **creator_of(call.context),
    }


def _check_endpoint(call: Call, endpoint: Document) -> None:
    """Raise what keeps an experiment from an endpoint: of what AWS lists as incompatible, all that there is here."""
    production = [each for each in endpoint.body["_fleet"]["variants"] if not each.get("shadow")]
    if len(production) > 1:
        raise ValidationException(
            f'An inference experiment cannot run on endpoint "{endpoint.arn}": it has more than one production variant.'
        )
    config = ENDPOINT_CONFIG.seek(call.tx, call.context, endpoint.body["EndpointConfigName"])
    if config is not None:
        if not all(each.get("ModelName") for each in config.body["ProductionVariants"]):
            raise ValidationException(
                f'An inference experiment cannot run on endpoint "{endpoint.arn}": it hosts inference components.'
            )
        for path, feature in _INCOMPATIBLE.items():
            if any(paths.values(config.body, path)):
                raise ValidationException(
                    f'An inference experiment cannot run on endpoint "{endpoint.arn}": it uses {feature}.'
                )


def other_on(tx: Transaction, document: Document) -> Document | None:
    """The experiment that has changed the endpoint of another, which has not begun; None if there is none."""
    query = Query(EXPERIMENT.id, document.region, facets={_ON: document.body["_endpoint"]}, limit=100)
    others = (each for each in tx.every(query) if each.status not in ENDED and each.key != document.key)
    return next((each for each in others if FORMER in each.body), None)


def _lookup(call: Call, document: Document, params: Params) -> Params:
    """The endpoint as it is now, and which of the variants are on it."""
    name = document.body["EndpointName"]
    endpoint = call.tx.get(ENDPOINT.id, document.region, ENDPOINT.key(name))
    metadata: Params = {"EndpointName": name}
    if endpoint is not None:
        metadata |= {"EndpointConfigName": endpoint.body["EndpointConfigName"], "EndpointStatus": endpoint.status}
        if reason := endpoint.body.get("FailureReason"):
            metadata["FailureReason"] = reason
    variants = document.body["ModelVariants"]
    return {
        "EndpointMetadata": metadata,
        "ModelVariants": [
            {**each, "Status": _variant_status(document, endpoint, each["VariantName"])} for each in variants
        ],
    }


def _variant_status(document: Document, endpoint: Document | None, name: str) -> str:
    """What an endpoint, which may be gone, makes of a variant of the experiment."""
    if endpoint is None:
        return "Deleted"
    present = {each["name"] for each in endpoint.body["_fleet"]["variants"]}
    coming = {each["name"] for each in (endpoint.body.get("_next") or {}).get("variants", ())}
    if "_next" not in endpoint.body:
        found = {"Creating": "Creating", "Deleting": "Deleting"}.get(endpoint.status, "InService")
        return found if name in present else "Deleted" if document.status in ENDED else "Creating"
    if name in coming:
        return "Updating" if name in present else "Creating"
    return "Deleting" if name in present else "Deleted"


def _update(call: Call, document: Document, params: Params) -> Document:
    runs = document.status == "Running"
    changes = {member: value for member, value in params.items() if member != "ModelVariants"}
    if schedule := params.get("Schedule"):
        if runs and schedule.get("StartTime") not in (None, document.body["Schedule"]["StartTime"]):
            raise ValidationException("The StartTime of an inference experiment that is Running cannot be changed.")
        changes["Schedule"] = {**document.body["Schedule"], **schedule}
        if changes["Schedule"]["EndTime"] <= call.now:
            raise ValidationException("The EndTime of an inference experiment must be in the future.")
        _check_schedule(changes["Schedule"], min(call.now, changes["Schedule"]["StartTime"]))
    given = {each["VariantName"]: each for each in params.get("ModelVariants") or ()}
    mode = params.get("ShadowModeConfig") or document.body["ShadowModeConfig"]
    changes["ModelVariants"] = _merged(document.body["ModelVariants"], given, mode)
    _check_variants(changes["ModelVariants"], mode)
    _check_models(call, changes["ModelVariants"])
    made = updated(EXPERIMENT, document, changes)
    body = {member: value for member, value in made.body.items() if member != "StatusReason"}
    return replace(made, status="Updating", body={**body, RESTS_IN: document.status})


def _merged(present: Sequence[Params], given: Mapping[str, Params], mode: Params) -> list[Params]:
    """The variants that an experiment is to have: those given take the place of their namesakes, or are new; those
    that its configuration does not name any more go."""
    found = {**{each["VariantName"]: each for each in present}, **given}
    named = {mode["SourceModelVariantName"], *(each["ShadowModelVariantName"] for each in mode["ShadowModelVariants"])}
    return [each for name, each in found.items() if name in named or name in given]


def _answer(document: Document) -> Params:
    return {"Arn": document.arn}


def _start(call: Call, document: Document, params: Params) -> Document:
    if other := other_on(call.tx, document):
        raise ConflictException(IN_USE.format(name=document.body["EndpointName"], arn=other.arn))
    schedule = {**document.body["Schedule"], "StartTime": call.now}
    return replace(document, status="Starting", body={**document.body, "Schedule": schedule})


def _stop(call: Call, document: Document, params: Params) -> Document:
    variants = _left(document, params)
    began = document.status != "Created"
    if not began and variants is not None:
        raise ValidationException(
            f"Inference experiment {document.name} has not started, so that nothing of it can be promoted."
        )
    ending: Params = {"status": params.get("DesiredState") or ("Completed" if began else "Cancelled")}
    if variants is not None:
        ending["variants"] = variants
    body: Params = {**document.body, ENDING: ending}
    body.pop("StatusReason", None)
    if reason := params.get("Reason"):
        body["StatusReason"] = reason
    return replace(document, status="Stopping", body=body)


def _left(document: Document, params: Params) -> Params | None:
    """The variants that an endpoint is to have after its experiment: `production` and `shadow`; None if it is to be as
    it was before."""
    mode = document.body["ShadowModeConfig"]
    source, shadows = (
        mode["SourceModelVariantName"],
        [each["ShadowModelVariantName"] for each in mode["ShadowModelVariants"]],
    )
    actions: Mapping[str, str] = params["ModelVariantActions"]
    for name, action in actions.items():
        if name not in (source, *shadows):
            raise ValidationException(f"Inference experiment {document.name} has no variant {name}.")
        if name == source and action == "Promote":
            raise ValidationException(f"Variant {name} is the production variant already: it cannot be promoted.")
    production = [source] if actions.get(source, "Retain") == "Retain" else []
    production += [name for name in shadows if actions.get(name) == "Promote"]
    kept_shadows = [name for name in shadows if actions.get(name) == "Retain"]
    if not production:
        raise ValidationException(
            "An endpoint needs a production variant: Retain the present one, or Promote the shadow."
        )
    if len(production) > 1 and kept_shadows:
        raise ValidationException("An endpoint with a shadow variant can have one production variant alone.")
    desired = {each["VariantName"]: each for each in params.get("DesiredModelVariants") or ()}
    if unknown := sorted(desired.keys() - {*production, *kept_shadows}):
        raise ValidationException(f"DesiredModelVariants has variants that are not to stay: {', '.join(unknown)}.")
    _check_instances(list(desired.values()))
    if production == [source] and not kept_shadows and not desired:
        return None
    present = {each["VariantName"]: each for each in document.body["ModelVariants"]} | desired
    return {"production": [present[each] for each in production], "shadow": [present[each] for each in kept_shadows]}


_ON = "_OnEndpoint"
_STATES = frozenset({"Creating", "Created", "Starting", "Running", "Updating", "Stopping", *ENDED})
_WRONG_STATE = Wording(ConflictException, "Cannot do this to inference experiment {name}: its status is {status}.")

_LIFECYCLE = Lifecycle(
    {
        "Creating": frozenset({"Created", "Cancelled"}),
        "Created": frozenset({"Starting", "Updating", "Stopping", "Cancelled"}),
        "Starting": frozenset({"Running", "Stopping", "Cancelled"}),
        "Running": frozenset({"Updating", "Stopping", "Cancelled"}),
        "Updating": frozenset({"Created", "Running", "Cancelled"}),
        "Stopping": ENDED,
        **dict.fromkeys(sorted(ENDED), frozenset[str]()),
    },
    (
        Refusal(("UpdateInferenceExperiment",), _STATES - {"Created", "Running"}, _WRONG_STATE),
        Refusal(("StartInferenceExperiment",), _STATES - {"Created"}, _WRONG_STATE),
        Refusal(("StopInferenceExperiment",), _STATES - {"Created", "Starting", "Running"}, _WRONG_STATE),
        Refusal(("DeleteInferenceExperiment",), UNDER_WAY, _WRONG_STATE),
    ),
)

EXPERIMENT = Kind(
    noun="InferenceExperiment",
    starts_as="Creating",
    lifecycle=_LIFECYCLE,
    check=_check,
    initial=_initial,
    answer=_answer,
    lookup=_lookup,
    refers={"EndpointName": ENDPOINT, "ModelVariants[].ModelName": MODEL},
    filters={_ON: "_endpoint"},
    changes={
        "UpdateInferenceExperiment": _update,
        "StartInferenceExperiment": _start,
        "StopInferenceExperiment": _stop,
    },
    missing=Wording(ResourceNotFound, "Inference experiment {name} does not exist."),
    duplicate=Wording(ResourceInUse, "Inference experiment {name} already exists."),
    without_effect={
        "RoleArn": "the models' own roles are taken",
        "KmsKey": "disks are not encrypted by Sagesmith",
    },
)


def deployed(body: Mapping[str, Any]) -> Params:
    """What of an experiment's document an endpoint configuration is made of."""
    return {member: body[member] for member in DEPLOYED if body.get(member) is not None}
