"""What goes wrong in a model server.

ModelServerError
├── LoadError           the model cannot be served: the process ends
└── InvocationError     one invocation is answered with `status`
    ├── BadInput            400
    ├── NotAcceptable       406
    ├── UnsupportedInput    415
    ├── HandlerFailed       500, or what the handler's exception asks for
    ├── Overloaded          503
    ├── TimedOut            504
    ├── TooLarge            507
    └── Refused             an error of the API's own, by its code, and not the model's
        ├── BadTarget           400
        └── ModelNotReady       429
"""

from __future__ import annotations


class ModelServerError(Exception):
    """Root of this package's errors."""


class LoadError(ModelServerError):
    """The user's code or model is not one that can be served; the message is for its author."""


class InvocationError(ModelServerError):
    """An invocation that ends without a prediction.

    Attributes:
        status: the HTTP status of the answer.
        kind: the error's name in the answer: the user's exception class where there is one.
    """

    status = 500

    def __init__(self, message: str, *, kind: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind or type(self).__name__
        if status is not None:
            self.status = status


class BadInput(InvocationError):
    """The body is not what its content type says."""

    status = 400


class UnsupportedFormat(InvocationError):
    """No default codec for a content type. Worded as in Amazon's inference toolkit."""

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework.\n\n"
            "Please implement input_fn to deserialize the request data or an output_fn to serialize the response. "
            "For more information, see the SageMaker Python SDK README.",
            kind="UnsupportedFormatError",
        )


class UnsupportedInput(UnsupportedFormat):
    """The request's Content-Type has no decoder."""

    status = 415


class NotAcceptable(UnsupportedFormat):
    """The request's Accept has no encoder."""

    status = 406


class HandlerFailed(InvocationError):
    """A handler of the user raised, or returned what cannot be sent."""


class Overloaded(InvocationError):
    """More invocations wait than the queue holds, or the model is not there yet."""

    status = 503


class TimedOut(InvocationError):
    """A handler did not return in time."""

    status = 504


class TooLarge(InvocationError):
    """A model for which there is no room on this instance, even if all others go."""

    status = 507

    def __init__(
        self, message: str = "There is not enough memory or disk space on the instance for this model."
    ) -> None:
        super().__init__(message, kind="InsufficientStorage")


class NoRoom(Exception):
    """A model does not fit beside those that are there. Somebody is to make room and try again."""


class Refused(InvocationError):
    """An error that the caller gets as one of the API.

    Attributes:
        code: its name in the API.
    """

    code = "ValidationError"
    status = 400


class BadTarget(Refused):
    """The request names no model, or one that is not to be had."""


class ModelNotReady(Refused):
    """The model is still being downloaded or loaded."""

    code = "ModelNotReadyException"
    status = 429

    def __init__(self, name: str) -> None:
        super().__init__(f"The model {name} is still being downloaded or loaded. Wait and try your request again.")
