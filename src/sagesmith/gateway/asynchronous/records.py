"""The queue: a file a request, in a directory an endpoint. A request that is there was acknowledged and is not done.

A record's first line is JSON, what follows is the input where it came with the request. The file's name says when the
request came and when it expires, so that the queue is known without reading what waits in it.
"""

import contextlib
import os
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from sagesmith.files import flush_directory, write_durably
from sagesmith.http.messages import Headers

_UNFINISHED = ".tmp"
_ABANDONED_SECONDS = 600.0


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A record's name, taken apart. They sort in the order in which they came.

    Attributes:
        received_ms, expires_ms: since the epoch.
        id: a UUID.
    """

    received_ms: int
    expires_ms: int
    id: str

    @property
    def name(self) -> str:
        return f"{self.received_ms:014d}-{self.expires_ms:014d}-{self.id}"

    @classmethod
    def parse(cls, name: str) -> "Entry | None":
        """None if it is no record's name."""
        received, _, rest = name.partition("-")
        expires, _, identity = rest.partition("-")
        if not (received.isdigit() and expires.isdigit() and identity) or name.endswith(_UNFINISHED):
            return None
        return cls(int(received), int(expires), identity)


@dataclass(frozen=True, slots=True)
class Record:
    """An acknowledged request.

    Attributes:
        endpoint: its name; `endpoint_made_at` tells it from a later one of the same name.
        headers: what the model server gets of the client's, name and value each.
        input: where the input lies; None if it stands in the record.
        output, failure: the objects that the answer or what went wrong become; None if nobody wants to know.
        topics: of notifications, by `SuccessTopic` and `ErrorTopic`.
        included_in: the topics whose notifications have the answer with them, by the API's names.
    """

    entry: Entry
    region: str
    account_id: str
    request_id: str
    endpoint: str
    endpoint_made_at: float
    inference_id: str
    headers: list[tuple[str, str]]
    input: str | None
    output: str | None
    failure: str | None
    kms_key_id: str | None
    timeout_seconds: int
    topics: dict[str, str]
    included_in: list[str]

    @property
    def sent_headers(self) -> Headers:
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each == name), None)


Queue = tuple[str, str]
"""Region and endpoint's name, lower case."""


class Records:
    """The queue's files. Safe for several processes.

    Args:
        directory: made when the first request comes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, record: Record, body: bytes) -> None:
        """Put a request into the queue; it is on the disk when this returns.

        Raises:
            OSError: it is not in the queue.
        """
        path = self._path((record.region, record.endpoint.lower()), record.entry)
        _make_durably(path.parent)
        write_durably(path, orjson.dumps(asdict(record), option=orjson.OPT_APPEND_NEWLINE) + body)

    def read(self, queue: Queue, entry: Entry) -> tuple[Record, bytes]:
        """A request and its own input.

        Raises:
            FileNotFoundError: it was done.
            ValueError: the record is damaged.
        """
        head, _, body = self._path(queue, entry).read_bytes().partition(b"\n")
        members = orjson.loads(head)
        try:
            headers = [(name, value) for name, value in members.pop("headers")]
            return Record(**{**members, "entry": entry, "headers": headers}), body
        except (TypeError, KeyError) as error:
            raise ValueError(f"a record of another form: {error}") from error

    def remove(self, queue: Queue, entry: Entry) -> None:
        """Take a request out of the queue."""
        self._path(queue, entry).unlink(missing_ok=True)

    def set_aside(self, queue: Queue, entry: Entry) -> None:
        """Keep a damaged record out of the queue, for somebody to look at."""
        path = self._path(queue, entry)
        with contextlib.suppress(FileNotFoundError):
            path.rename(path.with_name(f"damaged.{path.name}"))

    def found(self, known: Mapping[Queue, Container[str]]) -> Iterator[tuple[Queue, list[Entry]]]:
        """What waits, by queue; what somebody began to write and never ended is removed.

        Args:
            known: the names of those that are left out, which costs less than to tell of them.
        """
        for region in _folders(self._directory):
            for endpoint in _folders(region):
                queue = (region.name, endpoint.name)
                left_out = known.get(queue, ())
                entries = []
                for name in os.listdir(endpoint):  # noqa: PTH208 (a path an entry costs more than all else here)
                    if name in left_out:
                        continue
                    entry = Entry.parse(name)
                    if entry is not None:
                        entries.append(entry)
                    elif name.endswith(_UNFINISHED):
                        _remove_abandoned(endpoint / name)
                yield queue, sorted(entries)

    def _path(self, queue: Queue, entry: Entry) -> Path:
        return self._directory / queue[0] / queue[1] / entry.name


def _folders(directory: Path) -> list[Path]:
    try:
        return sorted(each for each in directory.iterdir() if each.is_dir())
    except FileNotFoundError:
        return []


def _remove_abandoned(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
            path.unlink()


def _make_durably(directory: Path) -> None:
    """A directory whose name is on the disk, and those of the ones that it lies in."""
    if directory.is_dir():
        return
    _make_durably(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    flush_directory(directory.parent)
