"""Code repositories: Git repositories under a name, for notebooks and Studio. Only their secret can be changed.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateCodeRepository.html
"""

from sagesmith.services.sagemaker.engine import Kind, Wording
from sagesmith.wire.errors import ValidationException

CODE_REPOSITORY = Kind(
    noun="CodeRepository",
    sorted_by="Name",
    ascending=True,
    # Its GitConfig has a SecretArn alone: address and branch stay.
    merges=frozenset({"GitConfig"}),
    missing=Wording(ValidationException, 'Cannot find CodeRepository: "{arn}"'),
    duplicate=Wording(ValidationException, 'Cannot create already existing CodeRepository: "{arn}"'),
)
