"""Code repositories: Git repositories under a name, for notebooks and Studio. Only their secret can be changed.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateCodeRepository.html
"""

from dataclasses import replace

from sagesmith.services.sagemaker.engine import Call, Kind
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError, ValidationException


def _update(call: Call, document: Document, params: Params) -> Document:
    """UpdateCodeRepository's GitConfig has a SecretArn alone: address and branch stay."""
    git = {**document.body["GitConfig"], **(params.get("GitConfig") or {})}
    return replace(document, body={**document.body, "GitConfig": git})


def _missing(kind: Kind, arn: str) -> AwsError:
    return ValidationException(f'Cannot find CodeRepository: "{arn}"')


def _duplicate(kind: Kind, arn: str) -> AwsError:
    return ValidationException(f'Cannot create already existing CodeRepository: "{arn}"')


CODE_REPOSITORY = Kind(
    noun="CodeRepository",
    plural="CodeRepositories",
    sorted_by="Name",
    ascending=True,
    changes={"UpdateCodeRepository": _update},
    missing=_missing,
    duplicate=_duplicate,
)
