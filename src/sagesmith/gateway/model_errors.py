"""AWS's ModelError: a container answered no success, or not at all."""

from typing import Protocol

from sagesmith.http.client import BadAnswer, TimedOut
from sagesmith.http.messages import Disconnected, Response
from sagesmith.wire.errors import AwsError

PRIMARY = "primary"
"""What the container of a model is called that has but one."""
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {container}. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)
BROKE_OFF = "The connection to container {container} was closed before it answered."
BUSY = (b"x-sagesmith-busy", b"1")
"""The header of a 503 by which a model server of ours says that no handler saw the request."""
_MESSAGE_BYTES = 16 << 10
_REFUSED = b"x-sagesmith-refused"
"""By it a model server, or who fetches its models, says that its answer is an error of the API: the code's name."""
_TOO_LARGE = 413


class Asked(Protocol):
    """What of a request says where its endpoint's log is."""

    @property
    def region(self) -> str: ...
    @property
    def account_id(self) -> str: ...


async def of_answer(context: Asked, endpoint: str, answer: Response, container: str = PRIMARY) -> AwsError:
    """The ModelError for an answer that is no success, or the API's own error that our model server says it is."""
    text = await _text(answer)
    refused = next((value for name, value in answer.headers if name == _REFUSED), None)
    if refused is not None and 400 <= answer.status < 600:
        return AwsError(refused.decode("latin-1"), text or "", answer.status)
    kind = "client" if 400 <= answer.status < 500 else "server"
    if text is None:
        said, text = " and could not load the entire response body", ""
    else:
        said = f' with message "{text}"'
    return _error(
        context, endpoint, f"Received {kind} error ({answer.status}) from {container}{said}.", answer.status, text
    )


def without_answer(context: Asked, endpoint: str, text: str, container: str = PRIMARY) -> AwsError:
    """The ModelError where there was no answer: its status is 0 then.

    Args:
        text: `TIMED_OUT` or `BROKE_OFF`.
    """
    said = text.format(container=container)
    return _error(context, endpoint, f'Received server error (0) from {container} with message "{said}".', 0, said)


def too_large(context: Asked, endpoint: str, answer: Response, ways: tuple[str, str], size: str) -> AwsError:
    """The ModelError where what a container answers is more than the next one takes.

    Args:
        ways: from which container to which.
        size: of the answer, for people.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-troubleshoot.html
    """
    said = (
        f"Received response from {ways[0]} with status code {answer.status}. However, the request payload from "
        f"{ways[0]} to {ways[1]} is {size}, which has exceeded the maximum limit of 6 MB."
    )
    return _error(context, endpoint, said, _TOO_LARGE, said)


def _error(context: Asked, endpoint: str, message: str, status: int, text: str) -> AwsError:
    region, account = context.region, context.account_id
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
    return AwsError(
        "ModelError",
        f"{message} See {console} in account {account} for more information.",
        424,
        {
            "OriginalStatusCode": status,
            "OriginalMessage": text,
            "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
        },
    )


async def _text(answer: Response) -> str | None:
    """The body of an error, None if it does not come or is larger than a message."""
    try:
        if isinstance(answer.body, bytes):
            content = answer.body
        else:
            pieces = []
            size = 0
            async for piece in answer.body:
                size += len(piece)
                if size > _MESSAGE_BYTES:
                    return None
                pieces.append(piece)
            content = b"".join(pieces)
    except (Disconnected, TimedOut, BadAnswer):
        return None
    finally:
        if answer.close is not None:
            answer.close()
    return content.decode("utf-8", "replace") if len(content) <= _MESSAGE_BYTES else None
