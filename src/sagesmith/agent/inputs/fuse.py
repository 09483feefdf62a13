"""A read-only file system of S3 objects, spoken to the kernel directly: no libfuse, no helper program.

What is asked for arrives as messages on a descriptor of /dev/fuse, and answers are written to it. The tree never
changes, so the kernel may keep names, attributes and content for as long as it likes.

Source: fuse(4) and include/uapi/linux/fuse.h of the kernel, protocol 7.31.
"""

import contextlib
import errno
import os
import struct
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import TYPE_CHECKING

from sagesmith.agent.inputs.blocks import Blocks
from sagesmith.agent.inputs.tree import Directory, Tree

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3Object

_VERSION = (7, 31)
_FORGOTTEN = (2, 42)
_LOOKUP, _GETATTR, _READ, _STATFS, _INIT = 1, 3, 15, 17, 26
_OPENDIR, _READDIR, _RELEASEDIR, _INTERRUPT, _READDIRPLUS = 27, 28, 29, 36, 44

_HEADER = struct.Struct("=IIQQIIII")
_ANSWER = struct.Struct("=IiQ")
_INIT_IN = struct.Struct("=IIII")
_INIT_OUT = struct.Struct("=IIIIHHIIHHI28x")
_ENTRY = struct.Struct("=QQQQII")
_ATTRIBUTES_VALID = struct.Struct("=QII")
_ATTRIBUTES = struct.Struct("=QQQQQQIIIIIIIIII")
_OPENED = struct.Struct("=QII")
_READ_IN = struct.Struct("=QQII")
_STATUS = struct.Struct("=QQQQQIIII24x")
_NAME = struct.Struct("=QQII")

_ASYNC_READ, _DO_READDIRPLUS, _PARALLEL_DIRECTORIES, _MAX_PAGES = 1 << 0, 1 << 13, 1 << 18, 1 << 22
_WANTED = _ASYNC_READ | _DO_READDIRPLUS | _PARALLEL_DIRECTORIES | _MAX_PAGES
_KEEP_CACHE, _CACHE_DIRECTORY = 1 << 1, 1 << 3
_READAHEAD_BYTES = 1 << 20
_MAX_PAGES_READ = 256
_REQUEST_BYTES = 1 << 16
_FOR_EVER_SECONDS = 1 << 30
_DIRECTORY_MODE, _FILE_MODE = 0o040555, 0o100444
_BLOCK_BYTES = 4096

Parts = Sequence[bytes | memoryview]


class Server:
    """Answers the kernel's requests for one mounted tree.

    Args:
        descriptor: of /dev/fuse, mounted; the server closes it.
        blocks: may be other trees' too.
        numbered_from: what is added to a node's number there.
        modified: the time that files show, in seconds since the epoch.
        failed: told of an object that cannot be read, once each; whoever reads it gets EIO.
    """

    def __init__(
        self,
        descriptor: int,
        tree: Tree,
        blocks: Blocks,
        numbered_from: int,
        modified: int,
        failed: "Callable[[S3Object, BaseException], None]",
    ) -> None:
        self._descriptor = descriptor
        self._tree = tree
        self._blocks = blocks
        self._numbered_from = numbered_from
        self._modified = modified
        self._failed = failed
        self._said: set[int] = set()
        self._listed: tuple[int, list[tuple[str, int]]] = (0, [])
        self._owner = (os.geteuid(), os.getegid())
        self._handlers: dict[int, Callable[[int, memoryview], Parts]] = {
            _INIT: self._initialise,
            _LOOKUP: self._look_up,
            _GETATTR: lambda node, _: [_ATTRIBUTES_VALID.pack(_FOR_EVER_SECONDS, 0, 0), self._attributes(node)],
            _OPENDIR: lambda _node, _: [_OPENED.pack(0, _KEEP_CACHE | _CACHE_DIRECTORY, 0)],
            _RELEASEDIR: lambda _node, _: [],
            _READDIR: lambda node, body: self._list(node, body, self._name),
            _READDIRPLUS: lambda node, body: self._list(node, body, self._name_and_entry),
            _STATFS: self._status,
        }

    def start(self) -> None:
        """Serve in a thread, until the file system is unmounted everywhere."""
        threading.Thread(target=self._serve, name="fuse", daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                try:
                    request = os.read(self._descriptor, _REQUEST_BYTES)
                except OSError as error:
                    # ENOENT: the request was interrupted before we had it. ENODEV: unmounted.
                    if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                        continue
                    break
                self._handle(request)
        os.close(self._descriptor)

    def _handle(self, request: bytes) -> None:
        _, operation, unique, node, *_ = _HEADER.unpack_from(request)
        body = memoryview(request)[_HEADER.size :]
        if operation in _FORGOTTEN or operation == _INTERRUPT:
            return  # These have no answer; what is interrupted is answered in its time.
        try:
            if operation == _READ:
                self._read(unique, node, body)
            elif operation in self._handlers:
                self._answer(unique, self._handlers[operation](node, body))
            else:
                # Of OPEN, FLUSH and ACCESS the kernel takes it to mean that there is nothing to do, ever.
                self._refuse(unique, errno.ENOSYS)
        except OSError as error:
            self._refuse(unique, error.errno or errno.EIO)
        except Exception as error:
            self._say(node, error)
            self._refuse(unique, errno.EIO)

    def _read(self, unique: int, node: int, body: memoryview) -> None:
        _, offset, size, _ = _READ_IN.unpack_from(body)
        entry = self._file(node)
        content = self._blocks.read(self._numbered_from + node, entry, offset, size)
        if not isinstance(content, Future):
            self._answer(unique, content)
            return

        def arrived(done: "Future[bytes]") -> None:
            try:
                if not done.cancelled() and (error := done.exception()) is not None:
                    self._say(node, error)
                    self._refuse(unique, errno.EIO)
                else:
                    self._read(unique, node, body)
            except Exception as error:
                self._say(node, error)
                self._refuse(unique, errno.EIO)

        content.add_done_callback(arrived)

    def _initialise(self, _node: int, body: memoryview) -> Parts:
        _major, minor, readahead, flags = _INIT_IN.unpack_from(body)
        answer = (min(readahead, _READAHEAD_BYTES), flags & _WANTED, 64, 48, _BLOCK_BYTES, 1, _MAX_PAGES_READ, 0, 0)
        return [_INIT_OUT.pack(_VERSION[0], min(minor, _VERSION[1]), *answer)]

    def _look_up(self, node: int, body: memoryview) -> Parts:
        child = self._tree.child(node, bytes(body[:-1]).decode("utf-8", "surrogateescape"))
        # A number of 0 says that there is no such name, and may be remembered too.
        return (
            [self._entry(child)] if child is not None else [_ENTRY.pack(0, 0, _FOR_EVER_SECONDS, 0, 0, 0) + bytes(88)]
        )

    def _list(self, node: int, body: memoryview, show: Callable[[int, str, int], bytes]) -> Parts:
        _, offset, size, _ = _READ_IN.unpack_from(body)
        directory = self._tree.nodes[node]
        if not isinstance(directory, Directory):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        shown: list[bytes] = []
        if self._listed[0] != node:
            self._listed = (node, [(".", node), ("..", directory.parent), *directory.children.items()])
        for position, (name, child) in enumerate(islice(self._listed[1], offset, None), offset + 1):
            text = show(child, name, position)
            if len(text) > size:
                break
            size -= len(text)
            shown.append(text)
        return [b"".join(shown)]

    def _status(self, _node: int, _body: memoryview) -> Parts:
        return [_STATUS.pack(0, 0, 0, len(self._tree.nodes), 0, _BLOCK_BYTES, 255, _BLOCK_BYTES, 0)]

    def _name(self, child: int, name: str, position: int) -> bytes:
        text = name.encode("utf-8", "surrogateescape")
        kind = (_DIRECTORY_MODE if isinstance(self._tree.nodes[child], Directory) else _FILE_MODE) >> 12
        return _NAME.pack(child, position, len(text), kind) + text + bytes(-len(text) % 8)

    def _name_and_entry(self, child: int, name: str, position: int) -> bytes:
        # Of these two the kernel wants no entry that it would have to forget.
        entry = bytes(_ENTRY.size + _ATTRIBUTES.size) if name in (".", "..") else self._entry(child)
        return entry + self._name(child, name, position)

    def _entry(self, child: int) -> bytes:
        return _ENTRY.pack(child, 0, _FOR_EVER_SECONDS, _FOR_EVER_SECONDS, 0, 0) + self._attributes(child)

    def _attributes(self, number: int) -> bytes:
        node, time = self._tree.nodes[number], self._modified
        if isinstance(node, Directory):
            size, mode, links = _BLOCK_BYTES, _DIRECTORY_MODE, 2
        else:
            size, mode, links = node.size, _FILE_MODE, 1
        return _ATTRIBUTES.pack(
            *(number, size, -(-size // 512), time, time, time),
            *(0, 0, 0, mode, links, *self._owner, 0, _BLOCK_BYTES, 0),
        )

    def _file(self, number: int) -> "S3Object":
        node = self._tree.nodes[number]
        if isinstance(node, Directory):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        return node

    def _say(self, number: int, error: BaseException) -> None:
        node = self._tree.nodes[number]
        if number not in self._said and not isinstance(node, Directory):
            self._said.add(number)
            self._failed(node, error)

    def _answer(self, unique: int, parts: Parts) -> None:
        size = _ANSWER.size + sum(map(len, parts))
        # ENOENT: whoever asked is gone.
        with contextlib.suppress(OSError):
            os.writev(self._descriptor, [_ANSWER.pack(size, 0, unique), *parts])

    def _refuse(self, unique: int, code: int) -> None:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, _ANSWER.pack(_ANSWER.size, -code, unique))
