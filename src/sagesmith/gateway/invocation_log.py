"""What the log keeps of an invocation: one line, whatever became of it."""

import time

from sagesmith import logging
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError

_log = logging.get("router")


def original_status(error: AwsError) -> int:
    """The status that a model answered, 0 if it did not."""
    return int(error.members.get("OriginalStatusCode", error.status))


def log_invocation(
    context: RequestContext,
    operation: str,
    endpoint: str,
    variant: str | None,
    started: float,
    status: int = 200,
    error: str | None = None,
) -> None:
    """Log an invocation.

    Args:
        variant: who answered, None where nobody was asked or nobody could.
        started: when the request came, by `time.perf_counter`.
        status, error: what the caller got.
    """
    _log.info(
        "invocation",
        request_id=context.request_id,
        region=context.region,
        operation=operation,
        endpoint=endpoint,
        variant=variant,
        principal=context.principal.arn,
        status=status,
        error=error,
        milliseconds=round((time.perf_counter() - started) * 1000, 2),
    )
