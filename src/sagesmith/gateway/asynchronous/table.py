"""The routing table as the queue's workers read it: the endpoints that take asynchronous requests."""

import os
from collections.abc import Iterator
from pathlib import Path

from sagesmith.routes import AsyncRoute, EndpointRoute, Routes, read_routes


class Table:
    """Read when it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._routes: Routes = {}

    def find(self, region: str, endpoint: str) -> EndpointRoute | None:
        self._look()
        return self._routes.get(region, {}).get(endpoint.lower())

    def asynchronous(self) -> Iterator[tuple[str, EndpointRoute, AsyncRoute]]:
        """The endpoints in service that take asynchronous requests, with their regions."""
        self._look()
        for region, endpoints in self._routes.items():
            for route in endpoints.values():
                if route.asynchronous is not None:
                    yield region, route, route.asynchronous

    def _look(self) -> None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 (half the time of Path's)
        except FileNotFoundError:
            return
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp != self._stamp:
            self._routes, self._stamp = read_routes(self._path), stamp
