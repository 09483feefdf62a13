"""Amazon SNS as far as it takes to hear of what SageMaker notifies: topics that HTTP servers and queues subscribe to.

First-in-first-out topics, filters, other protocols, delivery policies, signatures of messages and encryption are not
built.
Source: https://docs.aws.amazon.com/sns/latest/api/welcome.html
"""

from sagesmith.services.base import Home
from sagesmith.services.sns.publishing import Publishing
from sagesmith.services.sns.subscriptions import Subscriptions
from sagesmith.services.sns.topics import Topics
from sagesmith.wire.context import Handler


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""
    return {
        **Topics(home.store).handlers(),
        **Subscriptions(home).handlers(),
        **Publishing(home).handlers(),
    }
