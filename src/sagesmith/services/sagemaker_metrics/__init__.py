"""Amazon SageMaker Metrics: the values that runs log over time, put and read in batches.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Metrics_Service.html
"""

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import reading, writing
from sagesmith.services.sagemaker_metrics.getting import batch_get
from sagesmith.services.sagemaker_metrics.putting import batch_put
from sagesmith.wire.context import Handler


def handlers(home: Home) -> dict[str, Handler]:
    """The operations, all of them."""
    return {"BatchPutMetrics": writing(home, batch_put), "BatchGetMetrics": reading(home, batch_get)}
