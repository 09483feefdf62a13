"""Pipelines and their versions. A version is a definition that the pipeline has or had; what runs one is not built.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html, …/API_UpdatePipeline.html,
…/API_UpdatePipelineVersion.html, …/API_AliasOperations.html. Both SDKs look for "already exists" in a
ValidationException, AWS's examples for "Pipeline names must be unique within an AWS account and region".
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sagesmith.services.base import Home
from sagesmith.services.sagemaker import pipeline_definition
from sagesmith.services.sagemaker.engine import (
    DOES_NOT_EXIST,
    Call,
    Kind,
    Wording,
    created,
    paged,
    reading,
    updated,
)
from sagesmith.services.sagemaker.tasks import s3_access
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ConflictException, ResourceNotFound, ValidationException

MAX_DEFINITION_BYTES = 1 << 20
MAX_ALIASES = 10
_TEXT, _LOCATION, _ALIASES = "PipelineDefinition", "PipelineDefinitionS3Location", "PipelineVersionAliases"
_ALIASED = "_aliases"
"""Of a pipeline: alias → the number of its version. It is here, so that two versions cannot get one at once."""
_OF_VERSIONS = (_TEXT, _ALIASES, "PipelineVersionDisplayName", "PipelineVersionDescription")


def operations(home: Home) -> dict[str, Handler]:
    """The list of a pipeline's executions, of which there are none."""
    return {"ListPipelineExecutions": reading(home, _list_executions)}


def _check(params: Params) -> None:
    if not params.get(_TEXT) and not params.get(_LOCATION):
        raise ValidationException("Either Pipeline Definition or Pipeline Definition S3 location should be provided")


def _prepare(home: Home, params: Params) -> Params:
    """The input with the text of the definition, wherever it lies, and the aliases apart: they are a version's."""
    location, aliases = params.get(_LOCATION), params.get(_ALIASES) or []
    _check_aliases(aliases)
    if location and params.get(_TEXT):
        raise ValidationException("Both Pipeline Definition and Pipeline Definition S3 Location shouldn't be present")
    prepared = {member: value for member, value in params.items() if member not in (_LOCATION, _ALIASES)}
    if location:
        prepared[_TEXT] = _fetched(home, location)
    if prepared.get(_TEXT):
        pipeline_definition.check(prepared[_TEXT])
    return {**prepared, _ALIASED: aliases}


def _fetched(home: Home, location: Mapping[str, str]) -> str:
    # Loads botocore, of which the API needs nothing else.
    from sagesmith.agent.s3 import S3, S3Failed, split_uri

    uri = f"s3://{location['Bucket']}/{location['ObjectKey']}"
    try:
        content = S3(s3_access(home)).read(*split_uri(uri), location.get("VersionId"), MAX_DEFINITION_BYTES)
        return content.decode()
    except S3Failed as error:
        if error.is_the_stores:
            raise
        raise ValidationException(f"Unable to read the pipeline definition {uri}: {error.code}: {error}") from error
    except UnicodeDecodeError as error:
        raise ValidationException(f"The pipeline definition {uri} is not text in UTF-8.") from error


def _check_aliases(aliases: list[str]) -> None:
    for alias in aliases:
        if alias.isdigit():
            raise ValidationException(f"Alias {alias} can't consist of numbers only.")
        if aliases.count(alias) > 1:
            raise ValidationException(f"Alias {alias} is there more than once.")


def _initial(call: Call, params: Params) -> Params:
    return {
        "PipelineDisplayName": params.get("PipelineDisplayName") or params["PipelineName"],
        "PipelineVersionId": 1,
        _ALIASED: dict.fromkeys(params[_ALIASED], 1),
    }


def _make_version(call: Call, pipeline: Document) -> None:
    """Store the definition that a pipeline has now as its version."""
    body, number = pipeline.body, pipeline.body["PipelineVersionId"]
    version = {
        "PipelineName": pipeline.name,
        "PipelineArn": pipeline.arn,
        "PipelineVersionId": number,
        _TEXT: body[_TEXT],
        _ALIASES: [alias for alias, aliased in body[_ALIASED].items() if aliased == number],
    }
    created(call, PIPELINE_VERSION, version)


def _update(call: Call, document: Document, params: Params) -> Document:
    """An update that changes the definition makes a version; the aliases that it may have are that version's."""
    # Of two updates at once the second waits here, and makes the version after the first one's.
    document = call.tx.lock(PIPELINE.id, document.region, document.key, exclusive=True) or document
    aliases = params[_ALIASED]
    changed = updated(PIPELINE, document, {member: value for member, value in params.items() if member != _ALIASED})
    if changed.body[_TEXT] == document.body[_TEXT]:
        if aliases:
            raise ValidationException("Aliases can be specified only when the update changes the pipeline definition.")
        return changed
    number = document.body["PipelineVersionId"] + 1
    aliased = _aliased(document, number, aliases)
    changed = replace(changed, body={**changed.body, "PipelineVersionId": number, _ALIASED: aliased})
    _make_version(call, changed)
    return changed


def _aliased(pipeline: Document, number: int, aliases: Iterable[str]) -> dict[str, int]:
    """A pipeline's aliases and those that a version of it gets.

    Raises:
        ConflictException: another version has one of them.
    """
    present: dict[str, int] = pipeline.body[_ALIASED]
    for alias in aliases:
        if present.get(alias, number) != number:
            raise ConflictException(
                f"Alias {alias} is assigned to version {present[alias]} of pipeline '{pipeline.arn}'. Remove it from "
                "that version first."
            )
    return present | dict.fromkeys(aliases, number)


def _described(call: Call, pipeline: Document, params: Params) -> Params:
    """Of the version that is asked for, the latest if none is: its definition, and what is said of it."""
    number, alias = params.get("PipelineVersionId"), params.get("PipelineVersionAlias")
    if number is not None and alias is not None:
        raise ValidationException("You can't specify both PipelineVersionId and PipelineVersionAlias.")
    if alias is not None:
        number = _number_of(pipeline, alias)
    version = _version(call, pipeline, number or pipeline.body["PipelineVersionId"])
    return {member: version.body[member] for member in _OF_VERSIONS if member in version.body}


def _number_of(pipeline: Document, alias: str) -> int:
    number: int | None = pipeline.body[_ALIASED].get(alias)
    if number is None:
        raise ResourceNotFound(f"No version of pipeline '{pipeline.arn}' has the alias {alias}.")
    return number


def _version(call: Call, pipeline: Document, number: int) -> Document:
    return PIPELINE_VERSION.find(call.tx, call.context, pipeline.name, str(number))


def _locate_version(kind: Kind, call: Call, params: Params) -> Document:
    pipeline = PIPELINE.find(call.tx, call.context, params["PipelineArn"])
    return _version(call, pipeline, params["PipelineVersionId"])


def _update_version(call: Call, version: Document, params: Params) -> Document:
    said = ("PipelineVersionDisplayName", "PipelineVersionDescription")
    body = {**version.body, **{member: params[member] for member in said if params.get(member) is not None}}
    if change := params.get("PipelineVersionAliasOperations"):
        body[_ALIASES] = _realiased(call, version, change.get("Add") or [], change.get("Remove") or [])
    return replace(version, body=body)


def _realiased(call: Call, version: Document, added: list[str], removed: list[str]) -> list[str]:
    """A version's aliases after some were removed and some added, here and in its pipeline."""
    _check_aliases(added)
    present: list[str] = version.body[_ALIASES]
    if both := sorted({*added} & {*removed}):
        raise ValidationException(f"Alias {both[0]} can't be both added and removed.")
    if strange := sorted({*removed} - {*present}):
        raise ValidationException(f"Alias {strange[0]} is not assigned to the version.")
    aliases = [*(alias for alias in present if alias not in removed), *(each for each in added if each not in present)]
    if len(aliases) > MAX_ALIASES:
        raise ValidationException(f"A pipeline version can have up to {MAX_ALIASES} aliases, not {len(aliases)}.")
    pipeline = PIPELINE.find(call.tx, call.context, version.body["PipelineArn"])
    aliased = _aliased(pipeline, version.body["PipelineVersionId"], added)
    kept = {alias: number for alias, number in aliased.items() if alias not in removed}
    call.tx.update(replace(pipeline, body={**pipeline.body, _ALIASED: kept}), touch=False)
    return aliases


def _list_executions(call: Call, params: Params) -> Params:
    pipeline = PIPELINE.find(call.tx, call.context, params["PipelineName"])
    if (alias := params.get("PipelineVersionAlias")) is not None:
        _number_of(pipeline, alias)
    none: tuple[str, ...] = ()
    page, token = paged(none, params, str)
    return {"PipelineExecutionSummaries": page, "NextToken": token}


PIPELINE = Kind(
    noun="Pipeline",
    check=_check,
    prepare=_prepare,
    initial=_initial,
    on_create=_make_version,
    rests_as="Active",
    lookup=_described,
    summary={"LastExecutionTime": "LastRunTime"},
    # All pipelines are the customer's own.
    filters={"ManagedBy": lambda document, manager: bool(manager == "CUSTOMER")},
    changes={"UpdatePipeline": _update},
    missing=DOES_NOT_EXIST,
    duplicate=Wording(
        ValidationException,
        "Pipeline names must be unique within an AWS account and region. Pipeline with name ({name}) already exists.",
    ),
    search="Pipeline",
)

PIPELINE_VERSION = Kind(
    noun="PipelineVersion",
    arn_form="pipeline/{}/version/{}",
    identity=("PipelineName", "PipelineVersionId"),
    parent=PIPELINE,
    parent_members=("PipelineName",),
    cascades=True,
    locate=_locate_version,
    changes={"UpdatePipelineVersion": _update_version},
    missing=Wording(ResourceNotFound, "Pipeline version {name} does not exist: '{arn}'."),
    search="PipelineVersion",
)
