"""What routers captured of predictions (`gateway.capturing`), on its way to S3, where Model Monitor looks for it.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import orjson

from sagesmith import logging
from sagesmith.routes import CAPTURE_WINDOW_SECONDS
from sagesmith.services.base import Home
from sagesmith.services.sagemaker.tasks import s3_access

INTERVAL_SECONDS = 5.0
_SETTLED_SECONDS = 3.0
_RETRY_SECONDS = 60.0
_GIVEN_UP_SECONDS = 7 * 86_400.0

log = logging.get("captures")


class CaptureUploads:
    """Uploads files that are whole. One thread at a time."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._directory = home.platform.dir.captures
        self._again_at: dict[str, float] = {}

    def upload(self) -> None:
        """Put every file that is whole where it is to go, and remove it here.

        The key follows from the file's name: one that was uploaded just before a crash takes its own place again.
        """
        now = time.time()
        for path in sorted(self._directory.glob("*.jsonl")):
            window = int(path.name.partition("-")[0])
            whole = (window + 1) * CAPTURE_WINDOW_SECONDS + _SETTLED_SECONDS < now
            if whole and self._again_at.get(path.name, 0.0) <= now:
                try:
                    self._upload(path, now)
                except (ValueError, KeyError) as error:
                    log.error("captured data are damaged and were moved aside", file=path.name, reason=repr(error))
                    path.rename(path.with_suffix(".damaged"))

    def _upload(self, path: Path, now: float) -> None:
        # Loads botocore, of which the API needs nothing else.
        from sagesmith.agent.s3 import S3, S3Failed, split_uri

        with path.open("rb") as file:
            head = orjson.loads(file.readline())
            start, size = file.tell(), path.stat().st_size

        def write(stream: IO[bytes]) -> None:
            with path.open("rb") as records:
                records.seek(start)
                shutil.copyfileobj(records, stream)

        bucket, prefix = split_uri(head["destination"])
        try:
            key = "/".join(part for part in (prefix.rstrip("/"), _key(head, path)) if part)
            S3(s3_access(self._home)).upload_stream(write, bucket, key, head["kms_key_id"], size - start)
        except S3Failed as error:
            log.warning(
                "captured data could not be stored",
                endpoint=head["endpoint"],
                destination=head["destination"],
                reason=str(error),
            )
            if now - head["began_at"] < _GIVEN_UP_SECONDS:
                self._again_at[path.name] = now + _RETRY_SECONDS
                return
        path.unlink()
        self._again_at.pop(path.name, None)


def _key(head: dict[str, Any], path: Path) -> str:
    began = datetime.fromtimestamp(head["began_at"], UTC)
    name = f"{began:%M-%S}-{began.microsecond // 1000:03}-{path.stem[-36:]}.jsonl"
    return f"{head['endpoint']}/{head['variant']}/{began:%Y/%m/%d/%H}/{name}"
