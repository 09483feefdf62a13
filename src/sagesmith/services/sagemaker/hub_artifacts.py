"""The artifacts of a hub content: the objects that its document names by S3 URIs.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHubContentPresignedUrls.html,
…/API_PresignedUrlAccessConfig.html
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.presigned import object_of
from sagesmith.services.sagemaker.tasks import s3_access
from sagesmith.wire.errors import ValidationException


def artifacts(home: Home, content: Mapping[str, Any], access: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Bucket and key of each artifact; below a prefix, of all that is there.

    Args:
        content: what DescribeHubContent answers.
        access: what the client believes and accepts, an AccessConfig.

    Raises:
        ValidationException: the license agreement is not accepted, the artifacts are elsewhere than the client
            believes, or a prefix cannot be listed.
    """
    document, name = json.loads(content["HubContentDocument"]), content["HubContentName"]
    if document.get("HostingEulaUri") and not access.get("AcceptEula"):
        raise ValidationException(
            f"The end-user license agreement of {name} must be accepted: set AccessConfig.AcceptEula to true."
        )
    uris = set(_uris(document))
    expected = access.get("ExpectedS3Url")
    if expected and not any(uri.startswith(expected) for uri in uris):
        raise ValidationException(f"ExpectedS3Url {expected} is not where the artifacts of {name} are.")
    return sorted({each for uri in uris for each in _objects(home, uri)})


def _uris(value: Any) -> Iterator[str]:
    """The S3 URIs in a JSON document."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _uris(each)
    elif isinstance(value, str) and value.startswith("s3://"):
        yield value


def _objects(home: Home, uri: str) -> list[tuple[str, str]]:
    """The object of a URI, or those below it."""
    if (found := object_of(uri)) is not None:
        return [found]
    # Loads botocore, of which the API needs nothing else.
    from sagesmith.agent.s3 import S3, S3Failed, split_uri

    try:
        return [(each.bucket, each.key) for each in S3(s3_access(home)).list(*split_uri(uri))]
    except S3Failed as error:
        if error.is_the_stores:
            raise
        raise ValidationException(f"Unable to list the artifacts in {uri}: {error.code}: {error}") from error
