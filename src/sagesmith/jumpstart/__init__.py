"""What SageMaker's SDK reads of JumpStart, for the models that run here: a manifest, specifications and scripts.

The SDK reads them from the bucket `jumpstart-cache-prod-<region>`, which is AWS's. Here `gateway.s3_jumpstart` makes
one of that name when it is first asked for, with what `bucket.objects` says.

Source: sagemaker.jumpstart of the SageMaker Python SDK v2 (`cache.py`, `types.py`, `artifacts`)
"""

import re

_BUCKET = re.compile(r"jumpstart-cache-prod-((?:[a-z]{2,3})(?:-[a-z]+)+-\d)")


def region_of(bucket: str) -> str | None:
    """The region whose JumpStart bucket has this name, None for every other bucket."""
    found = _BUCKET.fullmatch(bucket)
    return found[1] if found else None
