"""Errors that reach a client, by AWS's code, status and wording.

AwsError
├── ValidationException            400
├── ResourceNotFound               400  (SageMaker: without the suffix "Exception")
├── ResourceInUse                  400
├── ResourceLimitExceeded          400
├── ConflictException              409
├── NotImplementedException        501
├── InternalFailure                500
└── anything else: AwsError(code, message, status)
"""

from typing import Any


class AwsError(Exception):
    """An error as a client sees it.

    Args:
        code: AWS's error code, as boto3 shows it in `error.response["Error"]["Code"]`.
        message: AWS's wording.
        status: the HTTP status.
        members: further members of the modelled error shape, such as ModelError's OriginalStatusCode.
        shape: the modelled error's name, where a model that spoke Query once does not say which it is.
    """

    code = "InternalFailure"
    status = 500
    shape: str | None = None

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        members: dict[str, Any] | None = None,
        shape: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members or {}
        self.shape = shape


class _Named(AwsError):
    def __init__(self, message: str) -> None:
        super().__init__(type(self).code, message, type(self).status)


class ValidationException(_Named):
    code, status = "ValidationException", 400


class ResourceNotFound(_Named):
    code, status = "ResourceNotFound", 400


class ResourceInUse(_Named):
    code, status = "ResourceInUse", 400


class ResourceLimitExceeded(_Named):
    code, status = "ResourceLimitExceeded", 400


class ConflictException(_Named):
    code, status = "ConflictException", 409


class NotImplementedException(_Named):
    code, status = "NotImplementedException", 501


class InternalFailure(_Named):
    code, status = "InternalFailure", 500


class ServiceUnavailable(_Named):
    code, status = "ServiceUnavailable", 503
