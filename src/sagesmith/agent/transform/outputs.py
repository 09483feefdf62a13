"""What a transform task stores: an output an object, marked with its job, and manifests of what was captured.

Source of the manifests: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-batch.html
"""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sagesmith.agent.transform.objects import Object
from sagesmith.compute.base import TaskSpec, Transform

if TYPE_CHECKING:
    from sagesmith.agent.multipart import MultipartWriter
    from sagesmith.agent.s3 import S3

_MARK = "sagesmith-transform"
"""The metadata of an output that says which job made it: what bears it is whole, and need not be made again."""
_SUFFIX = ".out"


class Outputs:
    """Where the outputs of a job go.

    Raises:
        S3Failed: that is no place in S3.
    """

    def __init__(self, s3: "S3", transform: Transform, kms_key_id: str | None) -> None:
        from sagesmith.agent.s3 import split_uri

        self._s3 = s3
        self._transform = transform
        self._kms_key_id = kms_key_id
        bucket, prefix = split_uri(transform.output_uri)
        self._bucket, self._prefix = bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""

    @property
    def base(self) -> str:
        """What the URIs of all outputs begin with."""
        return f"s3://{self._bucket}/{self._prefix}"

    def writer(self, entry: Object) -> "MultipartWriter":
        """A file that becomes an object's output."""
        mark = {_MARK: self._transform.run}
        return self._s3.writer(self._bucket, self._key(entry), self._kms_key_id, 2 * entry.size, mark)

    def left(self, entries: Sequence[Object]) -> list[Object]:
        """The objects that no former attempt at the job has finished."""
        found = self._s3.metadata([(self._bucket, self._key(entry)) for entry in entries])
        return [
            entry
            for entry, metadata in zip(entries, found, strict=True)
            if metadata is None or metadata.get(_MARK) != self._transform.run
        ]

    def stored(self, entry: Object) -> bool:
        """Whether an object's output is there."""
        return not self.left([entry])

    def _key(self, entry: Object) -> str:
        return f"{self._prefix}{entry.name}{_SUFFIX}"


def capture(s3: "S3", spec: TaskSpec, outputs: Outputs, done: Sequence[Object], started_at: float) -> None:
    """Store the manifests of what a host has read and written.

    Raises:
        S3Failed: they cannot be stored.
    """
    from sagesmith.agent.s3 import split_uri

    transform = spec.transform
    if transform is None or transform.capture_uri is None or not done:
        return
    hour = time.strftime("%Y/%m/%d/%H", time.gmtime(started_at))
    manifests = {
        "input": [{"prefix": done[0].base}, *(entry.name for entry in done)],
        "output": [{"prefix": outputs.base}, *(f"{entry.name}{_SUFFIX}" for entry in done)],
    }
    for folder, content in manifests.items():
        place = f"{transform.capture_uri.rstrip('/')}/{folder}/{hour}/{spec.job_name}-{spec.host}.json"
        bucket, key = split_uri(place)
        body = json.dumps(content).encode()
        with s3.writer(bucket, key, transform.capture_kms_key_id, len(body), {}) as target:
            target.write(body)
