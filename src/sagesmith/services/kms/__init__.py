"""AWS Key Management Service: symmetric keys that encrypt data keys, for S3's SSE-KMS and for SageMaker's KmsKeyId.

Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html
"""

from sagesmith.services.base import Home
from sagesmith.services.kms.aliases import AliasOperations
from sagesmith.services.kms.cipher import KeyWrapper
from sagesmith.services.kms.data_keys import DataKeyOperations
from sagesmith.services.kms.keys import KeyOperations, Keys
from sagesmith.wire.context import Handler


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""
    keys = Keys(home.store, KeyWrapper.load(home.platform.dir.keys))
    return {
        **KeyOperations(keys).handlers(),
        **AliasOperations(keys).handlers(),
        **DataKeyOperations(keys).handlers(),
    }
