"""AWS's words for the errors that every kind has: a code, and a text with the resource's name or ARN in it.

AWS words the same error in many ways, by the age of the kind. Each kind names its own; these are those that several
share.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sagesmith.wire.errors import AwsError, ResourceInUse, ResourceNotFound, ValidationException


@dataclass(frozen=True, slots=True)
class Wording:
    """One error.

    Attributes:
        error: makes it of its message; the class of an error is that.
        text: the message, with `{noun}` (`ModelPackageGroup`), `{title}` (`model package group`), `{arn}`, `{name}` (as
            the request has it; of a child the last part alone) and, where it is about another resource that stands in
            the way, `{other}` (its noun), or about the state that it is in, `{status}`.
    """

    error: Callable[[str], AwsError]
    text: str


COULD_NOT_FIND = Wording(ValidationException, 'Could not find {title} "{arn}".')
"""Of models, endpoints, their configurations, and most jobs."""

ALREADY_EXISTING = Wording(ValidationException, 'Cannot create already existing {title} "{arn}".')
"""Of models, endpoints and their configurations; SDK v2 looks for its beginning when it creates or passes."""

DOES_NOT_EXIST = Wording(ResourceNotFound, "{noun} '{arn}' does not exist.")
"""Of pipelines, experiments, lineage entities and what else has ResourceNotFound among its errors."""

ALREADY_EXISTS = Wording(ValidationException, "{noun} '{arn}' already exists.")
"""SDK v2 and the Experiments SDK look for `already exists`."""

NAME_IN_USE = Wording(ResourceInUse, "{noun} already exists: {arn}")
"""Of kinds that have ResourceInUse among Create's errors."""

ASSOCIATED = Wording(ResourceInUse, "Unable to delete {noun} [{arn}] because {other}(s) are associated with it.")
"""As DeleteDomain and DeleteUserProfile say it (https://github.com/aws/amazon-sagemaker-feedback/issues/113)."""
