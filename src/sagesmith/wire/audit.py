"""What the wire layer tells of calls to whoever keeps a record of them."""

from typing import Protocol

from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError
from sagesmith.wire.models import Operation, ServiceModel


class Recorder(Protocol):
    """Keeps records of one operation's calls. Thread safe."""

    def wrap(self, handler: Handler) -> Handler:
        """The handler, with a record of each call that it answers.

        An answer must not be given out unless its record is as safe as the change itself.
        """
        ...

    def refused(self, context: RequestContext, params: Params | None, error: AwsError) -> None:
        """Keep a record of a call that was refused, which may raise.

        Args:
            params: the input, None if it could not be read.
        """
        ...


class Audit(Protocol):
    """Decides what a record is kept of."""

    def recorder(self, model: ServiceModel, operation: Operation) -> Recorder | None:
        """Who keeps the records of an operation, None if nobody does. Called once an operation."""
        ...
