"""Tags: at creation, and AddTags, ListTags and DeleteTags for every kind, by ARN.

Limits as of https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html: 50 tags a resource, keys are unique,
the prefix `aws:` is reserved and not counted.
"""

from collections.abc import Mapping, Sequence

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine.kind import Call, Kind
from sagesmith.services.sagemaker.engine.pages import paged
from sagesmith.services.sagemaker.engine.running import reading, writing
from sagesmith.services.sagemaker.engine.shapes import sagemaker_shapes
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceLimitExceeded, ValidationException

MAX_TAGS = 50
DEFAULT_PAGE = 50


def check(given: Sequence[Mapping[str, str]] | None) -> None:
    """Refuse tags of a Create or AddTags input that cannot be.

    Raises:
        ValidationException: a key twice, or one that is AWS's own.
    """
    keys: set[str] = set()
    for tag in given or ():
        key = tag["Key"]
        if key.lower().startswith("aws:"):
            raise ValidationException("aws: prefixed tag key names are not allowed for external use.")
        if key in keys:
            raise ValidationException(f"Duplicate tag keys found: {key}. Tag keys must be unique per resource.")
        keys.add(key)


def by_key(given: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Key → value of tags that are checked."""
    return {tag["Key"]: tag.get("Value", "") for tag in given or ()}


def tag_operations(home: Home, kinds: Sequence[Kind]) -> dict[str, Handler]:
    """AddTags, ListTags and DeleteTags for resources of `kinds`."""
    # An ARN of a form of its own may look like one of its parent's kind, but not the other way round.
    tagged_kinds = sorted((kind for kind in kinds if _takes_tags(kind)), key=lambda kind: not kind.arn_form)

    def find(call: Call, arn: str) -> tuple[Kind, Document]:
        for kind in tagged_kinds:
            if kind.key_in(arn) is not None:
                return kind, kind.find(call.tx, call.context, arn)
        raise ValidationException(f"The ARN {arn} does not name a resource that can be tagged here.")

    def add(call: Call, params: Params) -> Params:
        check(params["Tags"])
        new = by_key(params["Tags"])
        kind, document = find(call, params["ResourceArn"])
        kind.check_tags(document)
        arn = document.arn
        present = call.tx.tags(arn)
        if len(present | new) > MAX_TAGS:
            raise ResourceLimitExceeded(
                f"The number of tags on a resource is limited to {MAX_TAGS}: "
                f"{arn} has {len(present)}, and {len(new.keys() - present.keys())} more were given."
            )
        call.tx.put_tags(arn, new)
        return {"Tags": _listed(call.tx.tags(arn))}

    def list_(call: Call, params: Params) -> Params:
        tagged = _listed(call.tx.tags(find(call, params["ResourceArn"])[1].arn))
        page, token = paged(tagged, params, lambda tag: tag["Key"], DEFAULT_PAGE)
        return {"Tags": page, "NextToken": token}

    def delete(call: Call, params: Params) -> Params:
        call.tx.remove_tags(find(call, params["ResourceArn"])[1].arn, params["TagKeys"])
        return {}

    return {"AddTags": writing(home, add), "ListTags": reading(home, list_), "DeleteTags": writing(home, delete)}


def _takes_tags(kind: Kind) -> bool:
    """Whether Create takes tags; what has no Create is made by an operation of another name."""
    create = f"Create{kind.noun}"
    return not sagemaker_shapes().has(create) or "Tags" in sagemaker_shapes().input(create)


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
