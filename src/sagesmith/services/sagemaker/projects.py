"""Projects: the name under which what belongs together is tagged, and whether templates of AWS may set one up.

A template, of Service Catalog or of CloudFormation, makes running resources at AWS: those are not built, and a project
has none. One that is deleted is gone; AWS keeps a record of it as `DeleteCompleted` for a while.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProject.html, …/API_UpdateProject.html,
…/API_EnableSagemakerServicecatalogPortfolio.html, https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-projects.html
"""

import contextlib

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import (
    ALREADY_EXISTS,
    Call,
    Kind,
    Unbuilt,
    Wording,
    new_id,
    reading,
    updated,
    writing,
)
from sagesmith.store import AlreadyExists, Document, NotFound
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ValidationException

_PORTFOLIO = "servicecatalog-portfolio"
"""A document of a region that is there as long as its portfolio is enabled."""

_PRODUCTS = "Products of Service Catalog are"
_TEMPLATES = "Templates of CloudFormation are"
_OF_UPDATE = (
    Unbuilt("ServiceCatalogProvisioningUpdateDetails", _PRODUCTS),
    Unbuilt("TemplateProvidersToUpdate", _TEMPLATES),
)


def _initial(call: Call, params: Params) -> Params:
    return {"ProjectId": new_id("p-")}


def _update(call: Call, document: Document, params: Params) -> Document:
    for unbuilt in _OF_UPDATE:
        unbuilt.refuse(params)
    if params.get("Tags"):
        raise ValidationException(
            f"Tags of project {document.name} cannot be updated: it has no tag update constraint of Service Catalog."
        )
    return updated(PROJECT, document, params)


PROJECT = Kind(
    noun="Project",
    initial=_initial,
    rests_as="CreateCompleted",
    ascending=True,
    unbuilt=(
        Unbuilt("ServiceCatalogProvisioningDetails", _PRODUCTS),
        Unbuilt("TemplateProviders", _TEMPLATES),
    ),
    changes={"UpdateProject": _update},
    missing=Wording(ValidationException, "Project {arn} does not exist."),
    duplicate=ALREADY_EXISTS,
    search="Project",
)


def operations(home: Home) -> dict[str, Handler]:
    """The portfolio of templates is a setting of a region."""
    return {
        "EnableSagemakerServicecatalogPortfolio": writing(home, _enable),
        "DisableSagemakerServicecatalogPortfolio": writing(home, _disable),
        "GetSagemakerServicecatalogPortfolioStatus": reading(home, _status),
    }


def _enable(call: Call, params: Params) -> Params:
    with contextlib.suppress(AlreadyExists):
        call.tx.create(Document(_PORTFOLIO, call.context.region, _PORTFOLIO, "", "", {}))
    return {}


def _disable(call: Call, params: Params) -> Params:
    with contextlib.suppress(NotFound):
        call.tx.delete(_PORTFOLIO, call.context.region, _PORTFOLIO)
    return {}


def _status(call: Call, params: Params) -> Params:
    there = call.tx.get(_PORTFOLIO, call.context.region, _PORTFOLIO)
    return {"Status": "Enabled" if there else "Disabled"}
