"""The models of a multi-model endpoint: fetched from S3 when the model server asks for one, removed when it is done.

The model server has no rights to the models and this process has; they talk over a unix socket beside the one that
requests come by. Whatever is said there may have been said by user code: it gets models below the endpoint's own
prefix, into a directory that it cannot write to, and nothing else.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-endpoints.html
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagesmith.agent.archive import ArchiveRefused, ArchiveTooLarge, unpack
from sagesmith.agent.sandbox import own_tree
from sagesmith.agent.task import Task
from sagesmith.compute.base import Models
from sagesmith.files import remove_tree
from sagesmith.http.unix import listen_at

SOCKET_NAME = "models.sock"
INSIDE = "/opt/ml/models"
"""Where the model server sees them; a model lies in `<id>/model`, as the contract for containers has it
(https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html)."""
METRICS = frozenset({"ModelDownloadingTime", "ModelLoadingTime", "ModelUnloadingTime", "LoadedModelCount"})
_MICROSECONDS = 1e6
_DISK_RESERVE_BYTES = 1 << 30
_SMALL_BYTES = 8 << 20
_LINE_BYTES = 1 << 20
_LINE_SECONDS = 10.0
_CONNECTIONS = 64
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_THERE = ("404", "403", "NoSuchKey", "NoSuchBucket", "AccessDenied", "InvalidURI")


class ModelRefused(Exception):
    """A model that is not to be had; the message is for the caller of the endpoint.

    Attributes:
        kind: `BadTarget`, `NoRoom` or `InternalServerError`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model's files.

    Attributes:
        id: names the model in paths.
        path: the directory, as the model server sees it.
        size: bytes.
    """

    id: str
    path: str
    size: int


@dataclass(slots=True)
class _Turns:
    """Whose turn it is at a model, and how many want it or have it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted: int = 0


@dataclass(slots=True)
class ModelStore:
    """Fetches one task's models. Thread safe; each model is one thread's at a time.

    Attributes:
        limit_bytes: what all models may take of the disk.
    """

    task: Task
    models: Models
    limit_bytes: int
    _taken: dict[str, Fetched] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _busy: dict[str, "_Turns"] = field(default_factory=dict)

    def fetch(self, name: str) -> Fetched:
        """Download a model and unpack it.

        Args:
            name: relative to the endpoint's prefix.

        Raises:
            ModelRefused: it is not there, it is no archive, or there is no room for it.
        """
        uri = uri_of(self.models.s3_uri, name)
        identifier = hashlib.sha256(name.encode()).hexdigest()[:32]
        began = time.perf_counter()
        with self._turn_of(identifier):
            self._remove(identifier)
            target = self.task.directory.models / identifier
            try:
                (target / "model").mkdir(parents=True)
                self._bring(uri, target)
                found = Fetched(identifier, f"{INSIDE}/{identifier}/model", _size(target))
                self._take(found, uri)
            except OSError as error:
                self._remove(identifier)
                if error.errno in _FULL:
                    raise ModelRefused("NoRoom", f"There is no room on the disk for {uri}.") from error
                raise ModelRefused("InternalServerError", f"{uri}: {error.strerror or error}") from error
            except ModelRefused:
                self._remove(identifier)
                raise
        self.note({"ModelDownloadingTime": [(time.perf_counter() - began) * _MICROSECONDS]})
        return found

    def drop(self, identifier: str) -> None:
        """Remove a model's files, if they are there."""
        with self._lock:
            known = self._taken.get(identifier)
        if known is not None:
            self.give_back(known)

    def give_back(self, found: Fetched) -> None:
        """Remove what one `fetch` has brought, unless another one has brought the model anew."""
        with self._turn_of(found.id):
            with self._lock:
                is_there = self._taken.get(found.id) is found
            if is_there:
                self._remove(found.id)

    def reset(self) -> None:
        """Remove the files of all models: the model server has begun anew."""
        with self._lock:
            identifiers = list(self._taken)
        for identifier in identifiers:
            self.drop(identifier)

    def note(self, measured: Mapping[str, list[float]]) -> None:
        """Keep what was measured, by metric."""
        found = {name: list(map(float, values)) for name, values in measured.items() if name in METRICS}
        self.task.output.samples.write(int(time.time()), found)

    def _bring(self, uri: str, target: Path) -> None:
        archive = target / "archive"
        room = self._room()
        self._download(uri, archive, room)
        try:
            unpack(archive, target / "model", room)
        except ArchiveTooLarge as error:
            raise ModelRefused("NoRoom", f"There is no room on the disk for {uri}.") from error
        except ArchiveRefused as error:
            raise ModelRefused(
                "BadTarget",
                f'Failed to extract model data archive from URL "{uri}". Please ensure that the object located at the '
                f"URL is a valid tar.gz archive: {error}.",
            ) from error
        archive.unlink()
        own_tree(target, self.task.uid)

    def _download(self, uri: str, path: Path, room: int) -> None:
        from sagesmith.agent.s3 import S3Failed, split_uri

        try:
            bucket, key = split_uri(uri)
            if self._download_small(bucket, key, path, room):
                return
            (found,) = self.task.s3.look_up([(bucket, key)])
            if found.size > room:
                raise ModelRefused("NoRoom", f"There is no room on the disk for {uri}.")
            self.task.s3.download([(found, path)])
        except S3Failed as error:
            if error.code not in _NOT_THERE:
                raise ModelRefused("InternalServerError", f"{uri}: {error.code}: {error}") from error
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            raise ModelRefused(
                "BadTarget",
                f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is an object "
                "located at the URL and that the role passed to CreateModel has permissions to download the model.",
            ) from error

    def _download_small(self, bucket: str, key: str, path: Path, room: int) -> bool:
        """Fetch what is small by one request; False if it is not. Somebody waits for it."""
        from sagesmith.agent.s3 import S3Failed

        try:
            content = self.task.s3.read(bucket, key, max_bytes=min(_SMALL_BYTES, room))
        except S3Failed as error:
            if error.code == "EntityTooLarge":
                return False
            raise
        path.write_bytes(content)
        return True

    def _room(self) -> int:
        with self._lock:
            left = self.limit_bytes - self._taken_bytes()
        free = shutil.disk_usage(self.task.directory.models).free - _DISK_RESERVE_BYTES
        return max(0, min(left, free))

    def _remove(self, identifier: str) -> None:
        with self._lock:
            self._taken.pop(identifier, None)
        with contextlib.suppress(FileNotFoundError):
            remove_tree(self.task.directory.models / identifier)

    def _take(self, found: Fetched, uri: str) -> None:
        """Count a model that was brought; others may have been meanwhile, so that there is no room for it any more."""
        with self._lock:
            if self._taken_bytes() + found.size > self.limit_bytes:
                raise ModelRefused("NoRoom", f"There is no room on the disk for {uri}.")
            self._taken[found.id] = found

    def _taken_bytes(self) -> int:
        return sum(each.size for each in self._taken.values())

    @contextlib.contextmanager
    def _turn_of(self, identifier: str) -> Iterator[None]:
        """One thread's turn at a model. Nothing is kept of a model that nobody is at: any name may be asked for."""
        with self._lock:
            turns = self._busy.setdefault(identifier, _Turns())
            turns.wanted += 1
        try:
            with turns.lock:
                yield
        finally:
            with self._lock:
                turns.wanted -= 1
                if not turns.wanted:
                    del self._busy[identifier]


def uri_of(prefix: str, name: str) -> str:
    """Where a model lies that is named relative to a prefix.

    SDK v2 lists the models of a prefix that ends with no slash by names that begin with one.

    Raises:
        ModelRefused: the name leads elsewhere.
    """
    parts = name.split("/") if prefix.endswith("/") else name.removeprefix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or not name.isprintable():
        raise ModelRefused(
            "BadTarget", f"Invalid target model {name}: it must be the path of a model relative to {prefix}"
        )
    return (prefix if prefix.endswith("/") else f"{prefix}/") + "/".join(parts)


def listen(store: ModelStore, sockets: Path) -> None:
    """Answer a model server's wishes, in threads that end with this process.

    Args:
        sockets: the directory to make the socket in.
    """
    directory = os.open(sockets, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # A socket's path may have 107 bytes, and a task's directory more.
        listener = listen_at(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
    finally:
        os.close(directory)
    listener.setblocking(True)
    if store.task.uid != os.geteuid():
        os.chown(sockets / SOCKET_NAME, store.task.uid, store.task.uid)
    threading.Thread(target=_accept, args=(store, listener), name="models", daemon=True).start()


def _accept(store: ModelStore, listener: socket.socket) -> None:
    _ = store.task.s3  # It takes a while to load, and the first model is not to wait for it.
    places = threading.BoundedSemaphore(_CONNECTIONS)

    def answer(connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                _answer(store, connection)
        finally:
            places.release()

    while True:
        places.acquire()
        connection, _peer = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def _answer(store: ModelStore, connection: socket.socket) -> None:
    connection.settimeout(_LINE_SECONDS)
    with connection.makefile("rwb") as stream:
        line = stream.readline(_LINE_BYTES)
        if not line:
            return
        said, found = _said(store, line)
        try:
            stream.write(json.dumps(said).encode() + b"\n")
            stream.flush()
        except OSError:
            # Who asked is gone, and nobody else knows that it is there.
            if found is not None:
                store.give_back(found)
            raise


def _said(store: ModelStore, line: bytes) -> tuple[dict[str, Any], Fetched | None]:
    """The answer to a wish, and what was fetched for it."""
    try:
        asked: Any = json.loads(line)
        if not isinstance(asked, dict):
            raise TypeError("a wish is an object")
        if "fetch" in asked:
            found = store.fetch(str(asked["fetch"]))
            return {"id": found.id, "path": found.path, "size": found.size}, found
        if "drop" in asked:
            store.drop(str(asked["drop"]))
        elif "reset" in asked:
            store.reset()
        elif "note" in asked:
            store.note(asked["note"])
    except ModelRefused as error:
        return {"error": error.kind, "message": str(error)}, None
    except (ValueError, TypeError, AttributeError) as error:
        return {"error": "BadRequest", "message": f"{type(error).__name__}: {error}"}, None
    return {}, None


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
