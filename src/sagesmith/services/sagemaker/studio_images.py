"""Images of Studio, and their versions, which count up and go by aliases as well.

An image knows its aliases, the last number that it gave and the latest version that is there. Who changes one of them
locks the image, so that a number is given once and an alias means one version.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateImage.html,
…/API_CreateImageVersion.html, …/API_UpdateImageVersion.html, …/API_DescribeImageVersion.html, …/API_ListAliases.html;
of the wording https://github.com/aws-samples/sagemaker-studio-custom-image-samples/issues/17
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import Call, Kind, Wording, paged, reading, updated
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound, ValidationException

_ALIASES = "_aliases"
_LAST_VERSION = "_last_version"
_LATEST = "_latest"
_OF_ALIASES = frozenset({"Alias", "AliasesToAdd", "AliasesToDelete"})


def _of_others(kind: Kind, context: RequestContext, name: str) -> Document | None:
    """An image or a version that an ARN of another account names: AWS's own, which every region has."""
    parts = name.split(":", 5)
    key = kind.key_in(name)
    if key is None or parts[3] != context.region or parts[4] == context.account_id:
        return None
    return Document(kind.id, context.region, key, key, name, {})


def _update_image(call: Call, document: Document, params: Params) -> Document:
    deleted = params.get("DeleteProperties") or ()
    changed = updated(
        IMAGE, document, {member: value for member, value in params.items() if member != "DeleteProperties"}
    )
    return replace(changed, body={member: value for member, value in changed.body.items() if member not in deleted})


IMAGE: Kind = Kind(
    noun="Image",
    rests_as="CREATED",
    everywhere=lambda context, name: _of_others(IMAGE, context, name),
    changes={"UpdateImage": _update_image},
    missing=Wording(ResourceNotFound, "Image with ImageName {name} does not exist. Please provide a valid ImageName."),
    duplicate=Wording(
        ResourceInUse, "The Image with ImageName {name} already exists. Please use a different ImageName."
    ),
)


def _locked(call: Call, name: str) -> Document:
    """An image whose versions and aliases nobody else changes until this transaction ends."""
    image = call.tx.lock(IMAGE.id, call.context.region, IMAGE.key(name), exclusive=True)
    if image is None:
        raise IMAGE.not_found(call.context, name)
    return image


def _keep(call: Call, image: Document, **members: Any) -> None:
    call.tx.update(replace(image, body={**image.body, **members}), touch=False)


def _aliases(image: Document) -> dict[str, int]:
    """Alias → version."""
    return dict(image.body.get(_ALIASES, {}))


def _with_aliases(image: Document, version: int, added: list[str]) -> dict[str, int]:
    """The aliases of an image after some were added to a version.

    Raises:
        ResourceInUse: one of them is another version's.
    """
    aliases = _aliases(image)
    for alias in added:
        if aliases.setdefault(alias, version) != version:
            raise ResourceInUse(
                f"Alias {alias} is already in use by version {aliases[alias]} of the Image with ImageName {image.name}."
            )
    return aliases


def _initial(call: Call, params: Params) -> Params:
    """The next number; what is deleted leaves its own unused. No registry is asked what a tag stands for."""
    image = _locked(call, params["ImageName"])
    version: int = image.body.get(_LAST_VERSION, 0) + 1
    aliases = _with_aliases(image, version, params.get("Aliases") or [])
    _keep(call, image, **{_LAST_VERSION: version, _LATEST: version, _ALIASES: aliases})
    return {"Version": version, "ImageArn": image.arn, "ContainerImage": params["BaseImage"]}


def _locate(kind: Kind, call: Call, params: Params) -> Document:
    """The version of a number or an alias; the latest if neither is given, unless it is to be deleted."""
    name, operation = params["ImageName"], call.context.operation
    image = IMAGE.find(call.tx, call.context, name) if operation.startswith("Describe") else _locked(call, name)
    if operation.startswith("Delete") and _number(image, params) is None:
        raise ValidationException("Either Version or Alias must be specified.")
    return _version(call, image, params)


def _version(call: Call, image: Document, params: Params) -> Document:
    number = _number(image, params)
    wanted = image.body.get(_LATEST, 0) if number is None else number
    found = call.tx.get(IMAGE_VERSION.id, image.region, IMAGE_VERSION.key(image.name, str(wanted)))
    if found is None:
        what = "Latest ImageVersion" if number is None else "ImageVersion"
        which = "" if number is None else f" and Version {number}"
        raise ResourceNotFound(
            f"{what} with ImageName {image.name}{which} does not exist. Please provide a valid ImageName"
            f"{' and Version' if which else ''}."
        )
    return found


def _number(image: Document, params: Params) -> int | None:
    """The number of the version that an input names, None if it names none."""
    version: int | None = params.get("Version")
    alias = params.get("Alias")
    if alias is None:
        return version
    meant = _aliases(image).get(alias)
    if meant is None:
        raise ResourceNotFound(
            f"ImageVersion with ImageName {image.name} and Alias {alias} does not exist. "
            "Please provide a valid ImageName and Alias."
        )
    if version not in (None, meant):
        raise ValidationException(f"Alias {alias} names version {meant} of the image, not version {version}.")
    return meant


def _update_version(call: Call, document: Document, params: Params) -> Document:
    image, version = _locked(call, params["ImageName"]), document.body["Version"]
    aliases = _aliases(image)
    for alias in params.get("AliasesToDelete") or ():
        if aliases.pop(alias, None) != version:
            raise ResourceNotFound(f"Alias {alias} of {document.arn} does not exist. Please provide a valid Alias.")
    image = replace(image, body={**image.body, _ALIASES: aliases})
    _keep(call, image, **{_ALIASES: _with_aliases(image, version, params.get("AliasesToAdd") or [])})
    given = {member: value for member, value in params.items() if member not in _OF_ALIASES}
    return updated(IMAGE_VERSION, document, given)


def _delete_version(call: Call, document: Document) -> None:
    """Its aliases go with it, and the highest number of the others becomes the latest."""
    image = call.tx.get(IMAGE.id, document.region, document.parent)
    assert image is not None
    version, latest = document.body["Version"], image.body[_LATEST]
    if version == latest:
        latest = next((each for each in range(version - 1, 0, -1) if _is_there(call, image, each)), 0)
    aliases = {alias: meant for alias, meant in _aliases(image).items() if meant != version}
    _keep(call, image, **{_LATEST: latest, _ALIASES: aliases})


def _is_there(call: Call, image: Document, version: int) -> bool:
    return call.tx.get(IMAGE_VERSION.id, image.region, IMAGE_VERSION.key(image.name, str(version))) is not None


IMAGE_VERSION: Kind = Kind(
    noun="ImageVersion",
    identity=("ImageName", "Version"),
    parent=IMAGE,
    cascades=True,
    initial=_initial,
    rests_as="CREATED",
    locate=_locate,
    everywhere=lambda context, name: _of_others(IMAGE_VERSION, context, name),
    sorts={"VERSION": "created_at"},
    changes={"UpdateImageVersion": _update_version},
    on_delete=_delete_version,
    missing=Wording(ResourceNotFound, "ImageVersion [{arn}] does not exist."),
)


def operations(home: Home) -> dict[str, Handler]:
    """Aliases are no resources of their own."""
    return {"ListAliases": reading(home, _list_aliases)}


def _list_aliases(call: Call, params: Params) -> Params:
    image = IMAGE.find(call.tx, call.context, params["ImageName"])
    aliases: Mapping[str, int] = _aliases(image)
    if "Version" in params or "Alias" in params:
        version = _version(call, image, params).body["Version"]
        aliases = {alias: meant for alias, meant in aliases.items() if meant == version}
    page, token = paged(aliases, params, str)
    return {"SageMakerImageVersionAliases": page, "NextToken": token}
