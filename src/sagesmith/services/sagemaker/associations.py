"""Associations: the edges between lineage entities.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AddAssociation.html,
…/API_DeleteAssociation.html, …/API_ListAssociations.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/lineage-tracking-entities.html; that two experiment entities cannot be
associated: https://github.com/aws/sagemaker-experiments/issues/157
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import ALREADY_EXISTS, DOES_NOT_EXIST, Call, reading, writing
from sagesmith.services.sagemaker.engine.listing import as_shown
from sagesmith.services.sagemaker.engine.pages import DEFAULT_PAGE, invalid_token
from sagesmith.services.sagemaker.engine.paths import first
from sagesmith.services.sagemaker.engine.view import user_context
from sagesmith.store import (
    AlreadyExists,
    Association,
    AssociationQuery,
    AssociationSort,
    Document,
    InvalidToken,
    NotFound,
)
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceNotFound, ValidationException


@dataclass(frozen=True, slots=True)
class EntityKind:
    """How lineage sees the resources of one kind.

    Attributes:
        noun: what messages call it.
        lineage_type: what QueryLineage calls it.
        type_path: where its type stands in the document.
        untyped: the type of one that has none.
        name_member: where its name stands in the document.
    """

    noun: str
    lineage_type: str
    type_path: str
    name_member: str
    untyped: str = ""
    of_experiments: bool = False


ENTITY_KINDS: Mapping[str, EntityKind] = {
    "artifact": EntityKind("Artifact", "Artifact", "ArtifactType", "ArtifactName"),
    "action": EntityKind("Action", "Action", "ActionType", "ActionName"),
    "context": EntityKind("Context", "Context", "ContextType", "ContextName"),
    "experiment": EntityKind("Experiment", "Context", "", "ExperimentName", "Experiment", of_experiments=True),
    "experiment-trial-component": EntityKind(
        "TrialComponent",
        "TrialComponent",
        "Source.SourceType",
        "TrialComponentName",
        "SageMakerExperimentTrialComponent",
        of_experiments=True,
    ),
}
"""By the resource type in their ARNs, which is what the store calls them."""

_SORTS: Mapping[str, AssociationSort] = {
    "SourceArn": "source",
    "DestinationArn": "destination",
    "SourceType": "source_type",
    "DestinationType": "destination_type",
    "CreationTime": "created_at",
}


def kind_of(arn: str) -> EntityKind:
    """How lineage sees what has this ARN, which is one of a lineage entity."""
    return ENTITY_KINDS[arn.split(":", 5)[5].partition("/")[0]]


def entity_type(document: Document) -> str:
    """The type of a lineage entity, such as `DataSet`."""
    kind = ENTITY_KINDS[document.kind]
    return str(first(document.body, kind.type_path) or kind.untyped)


def find_entity(call: Call, arn: str) -> Document:
    """The lineage entity of this ARN.

    Raises:
        ResourceNotFound: there is none in the request's region.
    """
    document = call.tx.get_by_arn(arn.lower())
    if document is None or document.region != call.context.region:
        raise ResourceNotFound(DOES_NOT_EXIST.text.format(noun=kind_of(arn).noun, arn=arn))
    return document


def refuse_if_associated(call: Call, document: Document) -> None:
    """What the Delete of artifacts, actions and contexts looks at; it is the kind's `on_delete`.

    Raises:
        ValidationException: an association begins or ends at it.
    """
    for query in (
        AssociationQuery(document.region, source=document.arn, limit=1),
        AssociationQuery(document.region, destination=document.arn, limit=1),
    ):
        if call.tx.associations(query).associations:
            noun = kind_of(document.arn).noun
            raise ValidationException(
                f"{noun} '{document.arn}' is linked to 1 or more associations and cannot be deleted."
            )


def disassociate(call: Call, document: Document) -> None:
    """What the Delete of experiment entities does; it is the kind's `on_delete`.

    Their associations go with them: the SDKs delete the trial components of jobs, all of which AWS has associated with
    artifacts, and delete no association before (`_Experiment._delete_all` of SDK v2,
    https://docs.aws.amazon.com/sagemaker/latest/dg/experiments-cleanup.html).
    """
    call.tx.disassociate_all(document.region, document.arn)


def operations(home: Home) -> dict[str, Handler]:
    """Associations are named by the ARNs of both ends, and have none of their own."""
    return {
        "AddAssociation": writing(home, _add),
        "DeleteAssociation": writing(home, _delete),
        "ListAssociations": reading(home, _list),
    }


def _add(call: Call, params: Params) -> Params:
    source, destination = (_kept(call, params[end]) for end in ("SourceArn", "DestinationArn"))
    if all(ENTITY_KINDS[end.kind].of_experiments for end in (source, destination)):
        raise ValidationException("Associations cannot be created between two experiment entities.")
    association = Association(
        call.context.region,
        source.arn,
        destination.arn,
        params.get("AssociationType") or "",
        entity_type(source),
        entity_type(destination),
        created_by=user_context(call.context),
    )
    try:
        call.tx.associate(association)
    except AlreadyExists as error:
        raise ALREADY_EXISTS.error(_named(ALREADY_EXISTS.text, source.arn, destination.arn)) from error
    return {"SourceArn": source.arn, "DestinationArn": destination.arn}


def _kept(call: Call, arn: str) -> Document:
    """The entity of this ARN, which stays until this transaction ends."""
    found = find_entity(call, arn)
    kept = call.tx.lock(found.kind, found.region, found.key)
    return find_entity(call, arn) if kept is None else kept


def _delete(call: Call, params: Params) -> Params:
    source, destination = params["SourceArn"].lower(), params["DestinationArn"].lower()
    try:
        call.tx.disassociate(call.context.region, source, destination)
    except NotFound as error:
        raise DOES_NOT_EXIST.error(_named(DOES_NOT_EXIST.text, source, destination)) from error
    return {"SourceArn": source, "DestinationArn": destination}


def _named(text: str, source: str, destination: str) -> str:
    return text.format(noun="Association", arn=f"{source} -> {destination}")


def _list(call: Call, params: Params) -> Params:
    query = AssociationQuery(
        region=call.context.region,
        source=_lower(params.get("SourceArn")),
        destination=_lower(params.get("DestinationArn")),
        type=params.get("AssociationType"),
        source_type=params.get("SourceType"),
        destination_type=params.get("DestinationType"),
        **_window(params),
        sort=_SORTS[params.get("SortBy") or "CreationTime"],
        descending=(params.get("SortOrder") or "Descending") == "Descending",
        limit=params.get("MaxResults") or DEFAULT_PAGE,
        token=params.get("NextToken"),
    )
    try:
        page = call.tx.associations(query)
    except InvalidToken as error:
        raise invalid_token() from error
    return {
        "AssociationSummaries": [_summary(call, each) for each in page.associations],
        "NextToken": page.next_token,
    }


def _lower(arn: str | None) -> str | None:
    return arn.lower() if arn else arn


def _window(params: Params) -> dict[str, Any]:
    fields = {"created_after": params.get("CreatedAfter"), "created_before": params.get("CreatedBefore")}
    return {field: as_shown(field, bound) for field, bound in fields.items() if bound is not None}


def _summary(call: Call, association: Association) -> Params:
    summary = {
        "SourceArn": association.source,
        "DestinationArn": association.destination,
        "SourceType": association.source_type,
        "DestinationType": association.destination_type,
        "AssociationType": association.type,
        "SourceName": _name(call, association.source),
        "DestinationName": _name(call, association.destination),
        "CreationTime": association.created_at,
        "CreatedBy": association.created_by,
    }
    return {member: value for member, value in summary.items() if value}


def _name(call: Call, arn: str) -> str | None:
    """The name of an end, None if it is an artifact without one."""
    document = call.tx.get_by_arn(arn)
    return document.body.get(kind_of(arn).name_member) if document else None
