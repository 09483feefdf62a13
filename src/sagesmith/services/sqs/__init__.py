"""Amazon SQS as far as it takes to hear of what SageMaker notifies: standard queues and their messages.

First-in-first-out and dead-letter queues, delays of a message, attributes of messages and encryption are not built.
Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
"""

from sagesmith.services.base import Home
from sagesmith.services.sqs.messages import Messages
from sagesmith.services.sqs.queues import Queues
from sagesmith.wire.context import Handler


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""
    return {**Queues(home).handlers(), **Messages(home.store).handlers()}
