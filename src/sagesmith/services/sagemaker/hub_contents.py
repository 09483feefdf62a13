"""Hub contents: what is shared in a hub, in versions. The latest is the one with the highest number.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ImportHubContent.html,
…/API_UpdateHubContent.html, …/API_CreateHubContentReference.html, …/API_CreateHubContentPresignedUrls.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/jumpstart-curated-hubs-admin-guide-add-models.html
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import (
    DOES_NOT_EXIST,
    NAME_IN_USE,
    Call,
    Kind,
    Run,
    created,
    paged,
    reading,
    updated,
    view_of,
    writing,
)
from sagesmith.services.sagemaker.engine.listing import lister
from sagesmith.services.sagemaker.hub_artifacts import artifacts
from sagesmith.services.sagemaker.hubs import HUB, is_public, own_hub
from sagesmith.services.sagemaker.presigned import presigned_url
from sagesmith.store import Document, Query
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import ValidationException

FIRST_VERSION = "1.0.0"
REFERENCE = "ModelReference"
_UPDATABLE = (
    "HubContentDescription",
    "HubContentDisplayName",
    "HubContentMarkdown",
    "HubContentSearchKeywords",
    "SupportStatus",
)
_REFERRED = ("DocumentSchemaVersion", "HubContentDocument", "HubContentVersion", *_UPDATABLE)
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}")
_PAGE = 100


def _number(version: str) -> tuple[int, ...]:
    """A version to compare: 1.10.0 is above 1.9.0."""
    return tuple(map(int, re.split(r"\D", version)))


def _versions(call: Call, hub: Document, type_: str, name: str) -> Iterator[Document]:
    """The versions of a content."""
    facets = {"HubContentType": type_, "HubContentName": name.lower()}
    return call.tx.every(Query(HUB_CONTENT.id, hub.region, parent=hub.key, facets=facets, limit=_PAGE))


def _latest(call: Call, hub: Document, type_: str, name: str) -> Document | None:
    facets = {"HubContentType": type_, "HubContentName": name.lower(), "_latest": "True"}
    query = Query(HUB_CONTENT.id, hub.region, parent=hub.key, facets=facets, limit=1)
    return next(iter(call.tx.list(query).documents), None)


def _mark(call: Call, document: Document, latest: bool) -> None:
    body = {**document.body, "_latest": latest}
    call.tx.update(replace(document, body=body, facets=HUB_CONTENT.facets(body)), touch=False)


def _find(call: Call, params: Params) -> Document:
    """The version that an input names, the latest if it names none."""
    hub = HUB.find(call.tx, call.context, params["HubName"])
    names = [hub.name, params["HubContentType"], params["HubContentName"]]
    if version := params.get("HubContentVersion"):
        names.append(version)
        found = call.tx.get(HUB_CONTENT.id, hub.region, HUB_CONTENT.key(*names))
    else:
        found = _latest(call, hub, *names[1:])
    if found is None:
        arn = "/".join((hub.arn.replace(":hub/", ":hub-content/"), *names[1:]))
        raise HUB_CONTENT.error(HUB_CONTENT.missing, arn, names[2])
    return found


def _locate(kind: Kind, call: Call, params: Params) -> Document:
    if call.context.operation != "DescribeHubContent":
        _lock(call, params["HubName"])
    return _find(call, params)


def _lock(call: Call, name: str) -> Document:
    """A hub of the account whose contents nobody else changes until this transaction ends, so that one version is the
    latest."""
    hub = own_hub(call, name)
    if call.tx.lock(HUB.id, hub.region, hub.key, exclusive=True) is None:
        raise HUB.not_found(call.context, name)
    return hub


def _initial(call: Call, params: Params) -> Params:
    hub = HUB.find(call.tx, call.context, params["HubName"])
    name, version = params["HubContentName"], params["HubContentVersion"]
    before = _latest(call, hub, params["HubContentType"], name)
    latest = before is None or _number(version) > _number(before.body["HubContentVersion"])
    if before is not None and latest:
        _mark(call, before, False)
    return {"HubArn": hub.arn, "_name": name.lower(), "_latest": latest}


def _delete(call: Call, document: Document) -> None:
    """Of the versions that stay one becomes the latest."""
    if not document.body["_latest"]:
        return
    hub = HUB.find(call.tx, call.context, document.body["HubName"])
    versions = _versions(call, hub, document.body["HubContentType"], document.name)
    rest = [each for each in versions if each.key != document.key]
    if rest:
        _mark(call, max(rest, key=lambda each: _number(each.body["HubContentVersion"])), True)


def _update(call: Call, document: Document, params: Params) -> Document:
    if params["HubContentType"] == REFERENCE:
        raise ValidationException("UpdateHubContent does not update a ModelReference: use UpdateHubContentReference.")
    if not any(params.get(member) is not None for member in _UPDATABLE):
        raise ValidationException(f"At least one of {', '.join(_UPDATABLE)} must be specified.")
    return updated(HUB_CONTENT, document, params)


def _update_reference(call: Call, document: Document, params: Params) -> Document:
    _require_reference(params)
    _check_minimum(params)
    minimum = params.get("MinVersion")
    if minimum is None:
        return document
    _require_within(minimum, document)
    return replace(document, body={**document.body, "ReferenceMinVersion": minimum})


def _require_reference(params: Params) -> None:
    if params["HubContentType"] != REFERENCE:
        raise ValidationException(f"HubContentType must be {REFERENCE}.")


def _require_within(minimum: str, content: Document) -> None:
    version = content.body["HubContentVersion"]
    if _number(minimum) > _number(version):
        raise ValidationException(
            f"MinVersion {minimum} is above the latest version of the referenced model, {version}."
        )


def _meant(params: Params) -> Params:
    """ListHubContents shows the latest version of each, ListHubContentVersions those of one."""
    if name := params.get("HubContentName"):
        return {**params, "HubContentName": name.lower()}
    return {**params, "_latest": "True"}


HUB_CONTENT = Kind(
    noun="HubContent",
    identity=("HubName", "HubContentType", "HubContentName", "HubContentVersion"),
    keeps_case=True,
    locate=_locate,
    parent=HUB,
    initial=_initial,
    rests_as="Available",
    meant=_meant,
    filters={
        "HubContentName": "_name",
        "_latest": "_latest",
        "MinVersion": lambda document, lowest: _number(document.body["HubContentVersion"]) >= _number(lowest),
        "MaxSchemaVersion": lambda document, highest: (
            _number(document.body["DocumentSchemaVersion"]) <= _number(highest)
        ),
    },
    changes={"UpdateHubContent": _update, "UpdateHubContentReference": _update_reference},
    on_delete=_delete,
    missing=DOES_NOT_EXIST,
    duplicate=NAME_IN_USE,
    search="HubContent",
)


def operations(home: Home) -> dict[str, Handler]:
    """Contents are imported instead of created; references and URLs have no names of their own."""
    return {
        "ImportHubContent": writing(home, _import, _check_import),
        "CreateHubContentReference": writing(home, _refer, _check_minimum),
        "DeleteHubContentReference": writing(home, _delete_references, _require_reference),
        "CreateHubContentPresignedUrls": _presigner(home),
        "ListHubContentVersions": reading(home, _version_lister()),
    }


def _check_import(params: Params) -> None:
    for member in ("HubContentVersion", "DocumentSchemaVersion"):
        if member in params:
            _check_version(params[member], member)
    try:
        document = json.loads(params["HubContentDocument"])
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ValidationException("HubContentDocument must be a valid JSON object.")


def _check_minimum(params: Params) -> None:
    if "MinVersion" in params:
        _check_version(params["MinVersion"], "MinVersion")


def _check_version(version: str, member: str) -> None:
    """The model's pattern takes any character for the points."""
    if not _VERSION.fullmatch(version):
        raise ValidationException(f"{member} {version} is not a version of three numbers, such as {FIRST_VERSION}.")


def _import(call: Call, params: Params) -> Params:
    _lock(call, params["HubName"])
    return _made(
        created(call, HUB_CONTENT, {"HubContentVersion": FIRST_VERSION, "SupportStatus": "Supported", **params})
    )


def _made(content: Document) -> Params:
    return {"HubArn": content.body["HubArn"], "HubContentArn": content.arn}


def _refer(call: Call, params: Params) -> Params:
    """A reference shows what the public model is: its document, its description, its version."""
    hub = _lock(call, params["HubName"])
    arn = params["SageMakerPublicHubContentArn"]
    source = _referred(call, arn)
    if source is None:
        raise HUB_CONTENT.error(HUB_CONTENT.missing, arn, arn)
    if minimum := params.get("MinVersion"):
        _require_within(minimum, source)
    name = params.get("HubContentName", source.name)
    if (present := _latest(call, hub, REFERENCE, name)) is not None:
        raise HUB_CONTENT.error(HUB_CONTENT.duplicate, present.arn, present.name)
    content = {member: source.body[member] for member in _REFERRED if member in source.body}
    content |= {member: params[member] for member in ("HubName", "Tags") if member in params}
    content |= {"HubContentType": REFERENCE, "HubContentName": name, "SageMakerPublicHubContentArn": arn}
    return _made(created(call, HUB_CONTENT, content | ({"ReferenceMinVersion": minimum} if minimum else {})))


def _referred(call: Call, arn: str) -> Document | None:
    """The latest version of the public content of an ARN without a version."""
    prefix, hub_name, type_, name = arn.split("/")
    hub = HUB.seek(call.tx, call.context, f"{prefix.replace(':hub-content', ':hub')}/{hub_name}")
    return _latest(call, hub, type_, name) if hub is not None and is_public(hub) else None


def _delete_references(call: Call, params: Params) -> Params:
    hub = _lock(call, params["HubName"])
    _find(call, params)
    for each in list(_versions(call, hub, REFERENCE, params["HubContentName"])):
        call.tx.delete(HUB_CONTENT.id, each.region, each.key)
    return {}


def _version_lister() -> Run:
    """ListHubContentVersions, of a content that is there."""
    list_ = lister(view_of(HUB_CONTENT), "ListHubContentVersions")

    def list_versions(call: Call, params: Params) -> Params:
        _find(call, {member: params[member] for member in HUB_CONTENT.named_by if member in params})
        return list_(call, params)

    return list_versions


def _presigner(home: Home) -> Handler:
    """URLs of what a content's document names, which are signed when nothing is open any more in the database."""
    look = reading(home, lambda call, params: _find(call, params).body)

    def presign(context: RequestContext, params: Params) -> Params:
        page, token = paged(artifacts(home, look(context, params), params.get("AccessConfig") or {}), params, "/".join)
        root = home.keyring.root
        urls = [
            {"Url": presigned_url(home, context, bucket, key, root), "LocalPath": f"/{key}"} for bucket, key in page
        ]
        return {"AuthorizedUrlConfigs": urls, "NextToken": token}

    return presign
