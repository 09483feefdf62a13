"""Data capture: what went into a model and came out of it, kept by the router in files that the API process uploads.

Nothing is written before the answer is on its way: records are gathered and written once a second, and on a clean end.
A file has the records of one variant and of a few seconds; its first line says where it is to go.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import asyncio
import base64
import contextlib
import os
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from sagesmith import logging
from sagesmith.files import append_whole
from sagesmith.http.messages import Headers, Response
from sagesmith.identifiers import random_uuid
from sagesmith.routes import CAPTURE_WINDOW_SECONDS, CaptureRoute, EndpointRoute, VariantRoute

FLUSH_SECONDS = 1.0
SOON_BYTES = 1 << 20
"""So much is written at once, and not only when the second is over."""
MAX_WAITING_BYTES = 64 << 20
"""What is beyond this while the disk is full, or slow, is dropped."""
MAX_ANSWER_BYTES = 6 << 20
"""Of a larger answer no record is kept: it would have to be held whole."""
_CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
_INFERENCE_ID = b"x-amzn-sagemaker-inference-id"
_CONTENT_TYPE = b"content-type"
_RECORDED = frozenset({_CUSTOM_ATTRIBUTES, _INFERENCE_ID, _CONTENT_TYPE})

log = logging.get("router")

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
        self._dropped = 0
        self._much = asyncio.Event()
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
        """The pieces of a body; kept once they were all there, unless they are too much to hold."""
        pieces: list[bytes] = []
        size = 0
        assert not isinstance(answer.body, bytes)
        async for piece in answer.body:
            size += len(piece)
            if size <= MAX_ANSWER_BYTES:
                pieces.append(piece)
            else:
                pieces.clear()
            yield piece
        if size <= MAX_ANSWER_BYTES:
            self._keep(place, capture, asked, answer.headers, b"".join(pieces))
        else:
            self._dropped += 1

    def _keep(self, place: Place, capture: CaptureRoute, asked: Asked, headers: Headers, body: bytes) -> None:
        told = _told(asked.headers)
        data: dict[str, Any] = {}
        if capture.input:
            data["endpointInput"] = _side(capture, "INPUT", told.get(_CONTENT_TYPE, b""), asked.body)
        if capture.output:
            data["endpointOutput"] = _side(capture, "OUTPUT", _told(headers).get(_CONTENT_TYPE, b""), body)
        metadata: dict[str, Any] = {"eventId": asked.event_id}
        if attributes := told.get(_CUSTOM_ATTRIBUTES):
            metadata["customAttributes"] = [attributes.decode("latin-1")]
        if inference_id := told.get(_INFERENCE_ID):
            metadata["inferenceId"] = inference_id.decode("latin-1")
        metadata["inferenceTime"] = _spelled(int(time.time()))
        record = orjson.dumps(
            {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}, option=orjson.OPT_APPEND_NEWLINE
        )
        if self._waiting + len(record) > MAX_WAITING_BYTES:
            self._dropped += 1
            return
        self._records[place].append(record)
        self._waiting += len(record)
        if self._waiting > SOON_BYTES:
            self._much.set()

    async def run(self) -> None:
        """Write once a second, or as soon as much waits, until it is cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._much.wait(), FLUSH_SECONDS)
            self._much.clear()
            if not self.flush():
                # Every record that comes would have all that wait be written again.
                await asyncio.sleep(FLUSH_SECONDS)

    def flush(self) -> bool:
        """Write what was gathered since the last time; what cannot be written waits, up to a bound: False then."""
        if self._dropped:
            log.warning("captured records were dropped", count=self._dropped)
            self._dropped = 0
        try:
            self._write()
        except OSError as error:
            log.warning("captured records could not be written", reason=str(error))
            return False
        return True

    def _write(self) -> None:
        if not self._records:
            return
        window = int(time.time()) // CAPTURE_WINDOW_SECONDS
        if window != self._window:
            self._files, self._window = {}, window
        for place in list(self._records):
            data = b"".join(self._records[place])
            append_whole(self._file(place), data)
            del self._records[place]
            self._waiting -= len(data)

    def _file(self, place: Place) -> Path:
        """The file of this window; a new one begins with where it is to go."""
        path = self._files.get(place)
        if path is None:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            path = self._directory / f"{self._window}-{self._name}-{random_uuid()}.jsonl"
            region, endpoint, variant, destination, kms_key_id = place
            head = {
                "region": region,
                "endpoint": endpoint,
                "variant": variant,
                "destination": destination,
                "kms_key_id": kms_key_id,
                "began_at": time.time(),
            }
            append_whole(path, orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE))
            self._files[place] = path
        return path


def _side(capture: CaptureRoute, mode: str, content_type: bytes, body: bytes) -> dict[str, str]:
    observed, media = _media_type(content_type)
    encoding = "CSV" if media in capture.csv else "JSON" if media in capture.json else "BASE64"
    try:
        data = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode()
    except UnicodeDecodeError:
        encoding, data = "BASE64", base64.b64encode(body).decode()
    return {"observedContentType": observed, "mode": mode, "data": data, "encoding": encoding}


def _told(headers: Headers) -> dict[bytes, bytes]:
    """Those of the headers that a record is made of, the first of each."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _RECORDED:
            found.setdefault(name, value)
    return found


@lru_cache(256)
def _media_type(content_type: bytes) -> tuple[str, str]:
    """A content type as it is shown, and without its parameters."""
    observed = content_type.decode("latin-1") or "application/octet-stream"
    return observed, observed.partition(";")[0].strip().lower()


@lru_cache(1)
def _spelled(seconds: int) -> str:
    """A time, which many records share."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
