"""The routing table: which model servers answer for an endpoint. Written by the API process, read by the routers."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sagesmith.files import replace_file

CAPTURE_WINDOW_SECONDS = 15
"""How long a router writes what it captures to one file, whose name begins with the window's number."""


@dataclass(frozen=True, slots=True)
class CaptureRoute:
    """What of a variant's invocations is kept in S3, as its DataCaptureConfig says.

    Attributes:
        percentage: of the invocations, 0 to 100.
        destination: a prefix of S3, as its user spells it.
        csv, json: content types whose data are kept as text; of all others they are encoded.
    """

    percentage: int
    destination: str
    input: bool
    output: bool
    csv: list[str]
    json: list[str]
    kms_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class VariantRoute:
    """A variant: its traffic weight and the addresses (`unix:/path`) of its healthy model servers.

    Attributes:
        weight: of a shadow variant the part of all requests that it gets copies of.
        share: of the requests that name this variant, where it has two entries: while a deployment goes on.
        multi_model: its model servers have many models, of which every request names one.
        component: the inference component whose copies these are, empty if it is none.
        idle: whether it has no copies, so that nobody waits for one.
        containers: the names of a model's several containers in their order; the addresses are then those of the first
            ones, see `container_address`. Empty for a model with one.
        direct: a request names one of them, instead of going through all.
    """

    name: str
    weight: float
    addresses: list[str]
    share: float = 1.0
    capture: CaptureRoute | None = None
    multi_model: bool = False
    component: str = ""
    idle: bool = False
    containers: list[str] = field(default_factory=list)
    direct: bool = False


@dataclass(frozen=True, slots=True)
class AsyncRoute:
    """What an endpoint's AsyncInferenceConfig says.

    Attributes:
        made_at: when the endpoint was made, by which a later one of its name is told from it.
        concurrency: how many requests a model server gets at once.
        output, failure: prefixes of S3, as their user spells them; empty where there is none.
        topics: of notifications, by `SuccessTopic` and `ErrorTopic`.
        included_in: the topics whose notifications have the answer with them, by the API's names.
    """

    made_at: float
    concurrency: int
    output: str
    failure: str
    kms_key_id: str | None = None
    topics: dict[str, str] = field(default_factory=dict)
    included_in: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ServerlessRoute:
    """What makes an endpoint serverless: it may have no model server, and is woken by a request.

    Attributes:
        variant: its production variant, which it has one of.
        concurrency: how many invocations it takes at once.
        provisioned: for how many of them there is always a model server.
        failed_at, failure: when a model server last could not be started, in seconds since the epoch, and why not.
    """

    variant: str
    concurrency: int
    provisioned: int = 0
    failed_at: float = 0.0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class EndpointRoute:
    """An endpoint as routers know it. One that is not InService has no variants and says its status.

    Attributes:
        shadows: the variants that get copies of requests, and whose answers nobody sees.
        asynchronous: how it takes requests, if it takes them by InvokeEndpointAsync alone.
        serverless: None for an endpoint of instances.
        components: its inference components by their names in lower case; None if it hosts models instead.
    """

    name: str
    status: str
    variants: list[VariantRoute] = field(default_factory=list)
    shadows: list[VariantRoute] = field(default_factory=list)
    asynchronous: AsyncRoute | None = None
    serverless: ServerlessRoute | None = None
    components: dict[str, VariantRoute] | None = None

    @property
    def is_ordinary(self) -> bool:
        """Whether one request to one model server is all that an invocation is: whatever is more than that must say
        so here, for it goes another way through a router."""
        return not self.shadows and self.asynchronous is None and self.serverless is None


def container_address(first: str, number: int) -> str:
    """Where a container of an instance listens.

    Args:
        first: the address of the instance's first one: `unix:/…/1/http.sock`, `tls:TOKEN@host:port/1` on another node.
        number: of the one wanted, from 1.
    """
    if first.startswith("unix:"):
        path = Path(first)
        return str(path.parent.with_name(str(number)) / path.name)
    return f"{first.rpartition('/')[0]}/{number}"


Routes = dict[str, dict[str, EndpointRoute]]
"""region → endpoint name (lower case) → route."""


def write_routes(path: Path, routes: Routes) -> None:
    """Replace the table in one atomic step; a router that reads meanwhile sees the old or the new one."""
    table = {region: {name: asdict(route) for name, route in endpoints.items()} for region, endpoints in routes.items()}
    replace_file(path, json.dumps(table).encode())


def read_routes(path: Path) -> Routes:
    """The table as it stands in the file, an empty one if there is none."""
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError:
        return {}


class RoutesFile:
    """Reads the table when it changed. Looking costs one stat call, so that every request can look.

    Args:
        call_soon: of an event loop, in one turn of which one look is enough: what a turn answers had all come before.
    """

    def __init__(self, path: Path, call_soon: Callable[[Callable[[], None]], object] | None = None) -> None:
        self._path = str(path)
        self._call_soon = call_soon
        self._looked = False
        self._stamp: tuple[int, int, int] | None = None
        self._routes: Routes = {}

    def find(self, region: str, endpoint: str) -> EndpointRoute | None:
        return self.all().get(region, {}).get(endpoint.lower())

    @property
    def is_there(self) -> bool:
        """Whether the API process has written a table, in which each endpoint has a place that is not deleted."""
        return Path(self._path).exists()

    def all(self) -> Routes:
        """The table as it stands in the file, an empty one if there is none."""
        if self._looked:
            return self._routes
        try:
            status = os.stat(self._path)  # noqa: PTH116 (half the time of Path's)
        except FileNotFoundError:
            return {}
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp != self._stamp:
            self._routes = _parse(Path(self._path).read_bytes())
            self._stamp = stamp
        if self._call_soon is not None:
            self._looked = True
            self._call_soon(self._look_again)
        return self._routes

    def _look_again(self) -> None:
        self._looked = False

    def asynchronous(self) -> Iterator[tuple[str, EndpointRoute, AsyncRoute]]:
        """The endpoints in service that take asynchronous requests, with their regions."""
        for region, endpoints in self.all().items():
            for route in endpoints.values():
                if route.asynchronous is not None:
                    yield region, route, route.asynchronous


def _parse(content: bytes) -> Routes:
    return {
        region: {
            name: EndpointRoute(
                route["name"],
                route["status"],
                [_variant(variant) for variant in route["variants"]],
                [_variant(variant) for variant in route.get("shadows", ())],
                AsyncRoute(**found) if (found := route.get("asynchronous")) else None,
                ServerlessRoute(**route["serverless"]) if route.get("serverless") else None,
                _components(route.get("components")),
            )
            for name, route in endpoints.items()
        }
        for region, endpoints in json.loads(content).items()
    }


def _components(found: dict[str, Any] | None) -> dict[str, VariantRoute] | None:
    return None if found is None else {name: _variant(members) for name, members in found.items()}


def _variant(members: dict[str, Any]) -> VariantRoute:
    capture = members.get("capture")
    return VariantRoute(**{**members, "capture": None if capture is None else CaptureRoute(**capture)})
