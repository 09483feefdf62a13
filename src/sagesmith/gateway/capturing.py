"""Data capture: what went into a model and came out of it, kept by the router in files that the API process uploads.

Nothing is written before the answer is on its way: records are gathered and written once a second, and on a clean end.
A file has the records of one variant and of a few seconds; its first line says where it is to go.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import asyncio
import base64
import os
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from sagesmith.http.messages import Headers, Response
from sagesmith.identifiers import random_uuid
from sagesmith.routes import CAPTURE_WINDOW_SECONDS, CaptureRoute, EndpointRoute, VariantRoute

FLUSH_SECONDS = 1.0
MAX_WAITING_BYTES = 8 << 20
"""So much is gathered at the most before it is written."""
_CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
_INFERENCE_ID = b"x-amzn-sagemaker-inference-id"

Place = tuple[str, str, str, str, str | None]
"""Region, endpoint, variant, the prefix that its records go to, and the key that encrypts them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of which a record is kept."""

    region: str
    headers: Headers
    body: bytes
    event_id: str


class Capturer:
    """One a router.

    Args:
        directory: where the files are, for the API process to find.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = f"{os.getpid()}-{time.time_ns() // 1_000_000}"
        self._records: dict[Place, list[bytes]] = defaultdict(list)
        self._waiting = 0
        self._files: dict[Place, Path] = {}
        self._window = 0

    def capture(self, asked: Asked, route: EndpointRoute, variant: VariantRoute, answer: Response) -> Response:
        """The answer, of which a record is kept if the variant's sampling wants it."""
        capture = variant.capture
        if capture is None or random.random() * 100 >= capture.percentage:  # noqa: S311
            return answer
        place = (asked.region, route.name, variant.name, capture.destination, capture.kms_key_id)
        if isinstance(answer.body, bytes):
            self._keep(place, capture, asked, answer.headers, answer.body)
            return answer
        seen = self._seen(place, capture, asked, answer)
        return Response(answer.status, answer.headers, seen, answer.close)

    async def _seen(self, place: Place, capture: CaptureRoute, asked: Asked, answer: Response) -> AsyncIterator[bytes]:
        """The pieces of a body; kept once they were all there."""
        pieces = []
        assert not isinstance(answer.body, bytes)
        async for piece in answer.body:
            pieces.append(piece)
            yield piece
        self._keep(place, capture, asked, answer.headers, b"".join(pieces))

    def _keep(self, place: Place, capture: CaptureRoute, asked: Asked, headers: Headers, body: bytes) -> None:
        data: dict[str, Any] = {}
        if capture.input:
            data["endpointInput"] = _side(capture, "INPUT", asked.headers, asked.body)
        if capture.output:
            data["endpointOutput"] = _side(capture, "OUTPUT", headers, body)
        metadata: dict[str, Any] = {"eventId": asked.event_id}
        if attributes := _header(asked.headers, _CUSTOM_ATTRIBUTES):
            metadata["customAttributes"] = [attributes]
        if inference_id := _header(asked.headers, _INFERENCE_ID):
            metadata["inferenceId"] = inference_id
        metadata["inferenceTime"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        record = orjson.dumps(
            {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}, option=orjson.OPT_APPEND_NEWLINE
        )
        self._records[place].append(record)
        self._waiting += len(record)
        if self._waiting > MAX_WAITING_BYTES:
            self.flush()

    async def run(self) -> None:
        """Write once a second, until it is cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.flush()

    def flush(self) -> None:
        """Write what was gathered since the last time."""
        if not self._records:
            return
        records, self._records, self._waiting = self._records, defaultdict(list), 0
        window = int(time.time()) // CAPTURE_WINDOW_SECONDS
        if window != self._window:
            self._files, self._window = {}, window
        for place, lines in records.items():
            with self._file(place).open("ab", buffering=0) as file:
                file.write(b"".join(lines))

    def _file(self, place: Place) -> Path:
        """The file of this window; a new one begins with where it is to go."""
        path = self._files.get(place)
        if path is None:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            path = self._files[place] = self._directory / f"{self._window}-{self._name}-{random_uuid()}.jsonl"
            region, endpoint, variant, destination, kms_key_id = place
            head = {
                "region": region,
                "endpoint": endpoint,
                "variant": variant,
                "destination": destination,
                "kms_key_id": kms_key_id,
                "began_at": time.time(),
            }
            path.write_bytes(orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE))
        return path


def _side(capture: CaptureRoute, mode: str, headers: Headers, body: bytes) -> dict[str, str]:
    content_type = _header(headers, b"content-type") or "application/octet-stream"
    media = content_type.partition(";")[0].strip().lower()
    encoding = "CSV" if media in capture.csv else "JSON" if media in capture.json else "BASE64"
    try:
        data = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode()
    except UnicodeDecodeError:
        encoding, data = "BASE64", base64.b64encode(body).decode()
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}


def _header(headers: Headers, name: bytes) -> str | None:
    return next((value.decode("latin-1") for each, value in headers if each == name), None)
