"""The API process's side of the routing table: one endpoint changes, the whole file is replaced."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sagesmith.routes import EndpointRoute, Routes, VariantRoute, read_routes, write_routes


class RouteTable:
    """What the routers know. Thread safe; begins with what a former process wrote.

    Args:
        path: `run/routes.json` of the data directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._routes: Routes = read_routes(path)
        self._written = True

    def put(self, region: str, route: EndpointRoute) -> None:
        """Make `route` known; nothing is written if it is already. Its inference components stay as they are."""
        with self._lock:
            present = self._routes.get(region, {}).get(route.name.lower())
            if present is not None and present.components and route.components is not None:
                route = replace(route, components=present.components)
            self._put(region, route)

    def put_component(self, region: str, endpoint: str, route: VariantRoute) -> None:
        """Make the route of an inference component known, if its endpoint is."""
        with self._lock:
            present = self._routes.get(region, {}).get(endpoint.lower())
            if present is not None and present.components is not None:
                components = {**present.components, route.component.lower(): route}
                self._put(region, replace(present, components=components))

    def remove_component(self, region: str, endpoint: str, component: str) -> None:
        """Forget an inference component."""
        with self._lock:
            present = self._routes.get(region, {}).get(endpoint.lower())
            if present is not None and present.components is not None:
                left = {name: each for name, each in present.components.items() if name != component.lower()}
                self._put(region, replace(present, components=left))

    def _put(self, region: str, route: EndpointRoute) -> None:
        endpoints = self._routes.setdefault(region, {})
        if endpoints.get(route.name.lower()) != route:
            endpoints[route.name.lower()] = route
            self._written = False
        self._write()

    def remove(self, region: str, name: str) -> None:
        """Forget an endpoint."""
        with self._lock:
            if self._routes.get(region, {}).pop(name.lower(), None) is not None:
                self._written = False
            self._write()

    def keep(self, endpoints: Iterable[tuple[str, EndpointRoute]]) -> None:
        """Know these endpoints and no others, by what was written of them or, where nothing was, by what is given.

        Args:
            endpoints: regions, and routes with the least that is known without a look at the model servers.
        """
        with self._lock:
            known, self._routes = self._routes, {}
            for region, route in endpoints:
                name = route.name.lower()
                self._routes.setdefault(region, {})[name] = known.get(region, {}).get(name, route)
            self._written = False
            self._write()

    def _write(self) -> None:
        """Write what is not written yet: a disk that was full when something changed is tried again at each call."""
        if not self._written:
            write_routes(self._path, self._routes)
            self._written = True
