"""Model cards: what is to be known of a model, in versions, and how far its review has come.

Every change of the content is a version; a change of the status alone is none.
Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/model-cards.html,
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateModelCard.html; of the wording
https://github.com/getmoto/moto/pull/7921
"""

import json
from dataclasses import replace

from sagesmith.services.sagemaker.engine import Call, Kind, Lifecycle, Refusal, Wording, created, view_of
from sagesmith.services.sagemaker.engine.paths import first
from sagesmith.services.sagemaker.model_card_content import check_card, metadata_of
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ConflictException, ResourceNotFound, ValidationException

_OF_A_VERSION = ("ModelCardName", "ModelCardVersion", "Content", "ModelCardStatus", "SecurityConfig")
_SEARCHED = {
    # SDK v2 asks by ModelId whether a model package has a card, whose content names the package alone.
    "ModelId": ("model_overview.model_id", "model_package_details.model_package_arn"),
    "RiskRating": ("intended_uses.risk_rating",),
    "ModelPackageGroupName": ("model_package_details.model_package_group_name",),
}
_VERSION_MISSING = Wording(ResourceNotFound, "Modelcard with name {name} and version: {other} does not exist")


def _initial(call: Call, params: Params) -> Params:
    return {"ModelCardVersion": 1, **_searched(params["Content"])}


def _searched(content: str) -> Params:
    """What Search shows and finds of a content, and Describe does not show by itself."""
    said = json.loads(content)
    found = {
        member: next((value for place in places if (value := first(said, place))), None)
        for member, places in _SEARCHED.items()
    }
    return {member: value for member, value in found.items() if value is not None}


def _keep_version(call: Call, card: Document) -> None:
    """Store the version that a card has now."""
    members = {member: card.body[member] for member in _OF_A_VERSION if member in card.body}
    created(call, MODEL_CARD_VERSION, {**members, "ModelCardArn": card.arn})


def _version(call: Call, card: Document, number: int) -> Document:
    version = MODEL_CARD_VERSION.seek(call.tx, call.context, card.name, str(number))
    if version is None:
        raise MODEL_CARD.error(_VERSION_MISSING, card.arn, card.name, str(number))
    return version


def _lookup(call: Call, document: Document, params: Params) -> Params:
    """The version that is asked for, and of its content what is asked for."""
    shown: Params = {}
    content = document.body["Content"]
    if number := params.get("ModelCardVersion"):
        version = _version(call, document, number)
        shown = view_of(MODEL_CARD_VERSION).describe(version)
        content = shown["Content"]
    if params.get("IncludedData") == "MetadataOnly":
        shown["Content"] = metadata_of(content)
    return shown


def _update(call: Call, document: Document, params: Params) -> Document:
    # As it is when nobody else changes it: of two new contents at once each is a version.
    card = call.tx.lock(MODEL_CARD.id, document.region, document.key, exclusive=True)
    if card is None:
        raise MODEL_CARD.error(MODEL_CARD.missing, document.arn, document.name)
    content, status = params.get("Content"), params.get("ModelCardStatus")
    if content is not None and status:
        raise ValidationException("You cannot update both model card content and model card status in a single call.")
    if content is not None:
        return _new_content(call, card, content)
    if status:
        return _new_status(call, card, status)
    raise ValidationException("Either Content or ModelCardStatus must be given.")


def _new_content(call: Call, card: Document, content: str) -> Document:
    check_card(content)
    body = {member: value for member, value in card.body.items() if member not in _SEARCHED}
    number = card.body["ModelCardVersion"] + 1
    changed = replace(card, body={**body, "Content": content, "ModelCardVersion": number, **_searched(content)})
    _keep_version(call, changed)
    return changed


def _new_status(call: Call, card: Document, status: str) -> Document:
    version = _version(call, card, card.body["ModelCardVersion"])
    body = {**version.body, "ModelCardStatus": status}
    call.tx.update(replace(version, body=body, facets=MODEL_CARD_VERSION.facets(body)))
    return replace(card, body={**card.body, "ModelCardStatus": status})


_ARCHIVED = Wording(ConflictException, "Modelcard {name} is archived and cannot be updated")
_IN_REVIEW = ("Draft", "PendingReview", "Approved")

MODEL_CARD = Kind(
    noun="ModelCard",
    lifecycle=Lifecycle(
        {
            **{state: frozenset({*_IN_REVIEW, "Archived"}) - {state} for state in _IN_REVIEW},
            "Archived": frozenset(),
        },
        (Refusal(("UpdateModelCard",), frozenset({"Archived"}), _ARCHIVED),),
    ),
    check=lambda params: check_card(params["Content"]),
    initial=_initial,
    on_create=_keep_version,
    lookup=_lookup,
    changes={"UpdateModelCard": _update},
    without_effect={"SecurityConfig": "what is stored of a card is not encrypted by a key of its own"},
    missing=Wording(ResourceNotFound, "Modelcard {name} does not exist"),
    duplicate=Wording(ConflictException, "Modelcard {name} already exists"),
    search="ModelCard",
)

MODEL_CARD_VERSION = Kind(
    noun="ModelCardVersion",
    shown_by="DescribeModelCard",
    identity=("ModelCardName", "ModelCardVersion"),
    arn_form="model-card/{}/version/{}",
    parent=MODEL_CARD,
    cascades=True,
    filters={"ModelCardStatus": "ModelCardStatus"},
    sorts={"Version": "created_at"},
)
