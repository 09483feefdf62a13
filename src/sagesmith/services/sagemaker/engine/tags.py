"""Tags: at creation, and AddTags, ListTags and DeleteTags for every kind, by ARN.

Limits as of https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html: 50 tags a resource, keys are unique,
the prefix `aws:` is reserved and not counted.
"""

import base64
from collections.abc import Mapping, Sequence

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine.kind import Kind
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import ResourceLimitExceeded, ValidationException

MAX_TAGS = 50
DEFAULT_PAGE = 50


def at_creation(given: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """The tags of a Create or AddTags input, checked.

    Raises:
        ValidationException: a key twice, or one that is AWS's own.
    """
    tags: dict[str, str] = {}
    for tag in given or ():
        key = tag["Key"]
        if key.lower().startswith("aws:"):
            raise ValidationException("aws: prefixed tag key names are not allowed for external use.")
        if key in tags:
            raise ValidationException(f"Duplicate tag keys found: {key}. Tag keys must be unique per resource.")
        tags[key] = tag.get("Value", "")
    return tags


def tag_operations(home: Home, kinds: Sequence[Kind]) -> dict[str, Handler]:
    """AddTags, ListTags and DeleteTags for resources of `kinds`."""
    by_id = {kind.id: kind for kind in kinds}

    def find(tx: Transaction, context: RequestContext, arn: str) -> Document:
        parts = arn.split(":", 5)
        resource = parts[5].partition("/")[0] if len(parts) == 6 else ""
        kind = by_id.get(resource)
        if kind is None or parts[2] != "sagemaker":
            raise ValidationException(f"The ARN {arn} does not name a resource that can be tagged here.")
        normal = ":".join([*parts[:5], parts[5].lower()])
        document = tx.get_by_arn(normal) if parts[3] == context.region else None
        if document is None:
            raise kind.missing(kind, arn)
        return document

    def add(context: RequestContext, params: Params) -> Params:
        new = at_creation(params["Tags"])
        with home.store.write() as tx:
            arn = find(tx, context, params["ResourceArn"]).arn
            present = tx.tags(arn)
            if len(present | new) > MAX_TAGS:
                raise ResourceLimitExceeded(
                    f"The number of tags on a resource is limited to {MAX_TAGS}: "
                    f"{arn} has {len(present)}, and {len(new.keys() - present.keys())} more were given."
                )
            tx.put_tags(arn, new)
            tagged = tx.tags(arn)
        return {"Tags": _listed(tagged)}

    def list_(context: RequestContext, params: Params) -> Params:
        with home.store.read() as tx:
            tagged = _listed(tx.tags(find(tx, context, params["ResourceArn"]).arn))
        after = _decode(params.get("NextToken"))
        rest = [tag for tag in tagged if tag["Key"] > after]
        page = rest[: params.get("MaxResults") or DEFAULT_PAGE]
        return {"Tags": page, "NextToken": _encode(page[-1]["Key"]) if len(page) < len(rest) else None}

    def delete(context: RequestContext, params: Params) -> Params:
        with home.store.write() as tx:
            tx.remove_tags(find(tx, context, params["ResourceArn"]).arn, params["TagKeys"])
        return {}

    return {"AddTags": add, "ListTags": list_, "DeleteTags": delete}


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decode(token: str | None) -> str:
    if not token:
        return ""
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError as error:
        raise ValidationException("Invalid NextToken.") from error
