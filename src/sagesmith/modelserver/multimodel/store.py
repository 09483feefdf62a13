"""The node agent's side of a multi-model server: it has the rights to the models in S3, and this process has not.

One JSON object a line each way, over a unix socket beside the one that requests come by.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from sagesmith.modelserver.errors import BadTarget, HandlerFailed, NoRoom

SOCKET_NAME = "models.sock"
_LINE_BYTES = 1 << 20


@dataclass(frozen=True)
class Fetched:
    """A model's files.

    Attributes:
        id: names the model in paths, and to a container.
        path: the directory, as this process sees it.
        size: bytes.
    """

    id: str
    path: str
    size: int


class ModelStore:
    """Fetches models, and says what becomes of them.

    Args:
        path: of the agent's socket.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    async def fetch(self, name: str) -> Fetched:
        """Have a model's files brought here.

        Raises:
            BadTarget: there is no such model, or it is none.
            NoRoom: the disk is full.
            HandlerFailed: it could not be brought.
        """
        said = await self._ask({"fetch": name})
        if "error" not in said:
            return Fetched(said["id"], said["path"], said["size"])
        if said["error"] == "NoRoom":
            raise NoRoom
        if said["error"] == "BadTarget":
            raise BadTarget(said["message"])
        raise HandlerFailed(said["message"], kind=said["error"])

    async def drop(self, identifier: str) -> None:
        """Have a model's files removed."""
        await self._ask({"drop": identifier})

    async def reset(self) -> None:
        """Have the files of all models removed: those of a process that was here before."""
        await self._ask({"reset": True})

    async def note(self, measured: dict[str, list[float]]) -> None:
        """Say what was measured, by metric."""
        await self._ask({"note": measured})

    async def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=_LINE_BYTES)
            try:
                writer.write(json.dumps(what).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
            said: dict[str, Any] = json.loads(line)
        except (OSError, ValueError) as error:
            raise HandlerFailed(f"The node agent does not answer: {error}", kind="NoAgent") from error
        return said
