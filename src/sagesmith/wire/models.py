"""The services' models, as botocore ships them: operations and shapes, without their documentation.

Read straight from botocore's data files rather than through `botocore.loaders`: importing botocore costs more time and
memory than everything else here.
"""

import gzip
import importlib.util
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import orjson

from sagesmith.wire.protocols import Protocol

Shape = dict[str, Any]
T = TypeVar("T")

_SHARED_SIGNING_NAMES = {
    "sagemaker": (
        "sagemaker",
        "sagemaker-runtime",
        "sagemaker-featurestore-runtime",
        "sagemaker-metrics",
        "sagemaker-a2i-runtime",
        "sagemaker-edge",
    ),
    "monitoring": ("cloudwatch",),
    "aoss": ("opensearchserverless",),
    "states": ("stepfunctions",),
}
_SERVICE_NAME = re.compile(r"[a-z0-9-]{1,64}")


class UnknownService(Exception):
    """botocore has no such service, or it speaks a protocol that we do not."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a model.

    Attributes:
        method, path: of the request; `path` is a template such as `/endpoints/{EndpointName}/invocations`.
        input, output: names of shapes, None where there is none.
        result_wrapper: the element around a Query answer, None for other protocols.
        errors: codes of the modelled errors.
    """

    name: str
    method: str
    path: str
    input: str | None
    output: str | None
    result_wrapper: str | None
    success_status: int
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    pattern: re.Pattern[str]
    operation: str


@dataclass(frozen=True)
class ServiceModel:
    """One service's model.

    Attributes:
        service: botocore's name of it, such as `sagemaker-runtime`.
        protocols: those that it speaks and we know, preferred first.
        target_prefix: what precedes the operation in `X-Amz-Target`, empty for other protocols.
        query_compatible: it spoke Query once, and its clients still know errors by the codes of that
            (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait).
    """

    service: str
    protocols: tuple[Protocol, ...]
    json_version: str
    target_prefix: str
    xml_namespace: str
    operations: dict[str, Operation]
    shapes: dict[str, Shape] = field(repr=False)
    query_compatible: bool = False

    def match_path(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """The REST operation of a request and the path's labels, still percent-encoded."""
        for route in self._routes:
            found = route.pattern.fullmatch(path) if route.method == method else None
            if found is not None:
                return route.operation, {_unmangle(key): value for key, value in found.groupdict().items()}
        return None

    @cached_property
    def _routes(self) -> list[_Route]:
        ordered = sorted(self.operations.values(), key=lambda each: each.path.count("{"))
        return [_Route(each.method, _path_pattern(each.path), each.name) for each in ordered]

    @cached_property
    def error_shapes(self) -> dict[str, str]:
        """Error code → the name of its shape, where that is another."""
        return {
            code: name
            for name, shape in self.shapes.items()
            if shape.get("exception") and (code := shape.get("error", {}).get("code", name)) != name
        }

    @cached_property
    def message_members(self) -> dict[str, str]:
        """Error code → the member that holds its message, where that is not `message`."""
        found = {}
        for name, shape in self.shapes.items():
            if shape.get("exception") and "Message" in shape.get("members", {}):
                found[shape.get("error", {}).get("code", name)] = "Message"
        return found


class ShapeCompiler(Generic[T]):
    """Turns shapes into something callable, each once; shapes that contain themselves included.

    Args:
        compile_shape: makes the callable of one shape, given its name, the shape and this compiler for its members.
    """

    def __init__(self, model: ServiceModel, compile_shape: "Callable[[str, Shape, ShapeCompiler[T]], T]") -> None:
        self.model = model
        self._compile_shape = compile_shape
        self._done: dict[str, T] = {}
        self._lock = threading.RLock()

    def __call__(self, name: str) -> T:
        with self._lock:
            if name not in self._done:
                self._done[name] = self._late(name)
                try:
                    self._done[name] = self._compile_shape(name, self.model.shapes[name], self)
                except BaseException:
                    del self._done[name]
                    raise
            return self._done[name]

    def _late(self, name: str) -> T:
        """Stands for a shape while it is being compiled: what it refers to may refer back to it."""

        def late(*arguments: Any) -> Any:
            done: Any = self._done[name]
            return done(*arguments)

        return cast("T", late)


def services_of(signing_name: str) -> tuple[str, ...]:
    """botocore's names of the services that sign with this name, the likeliest first."""
    return _SHARED_SIGNING_NAMES.get(signing_name, (signing_name,))


@cache
def load_model(service: str) -> ServiceModel:
    """The newest model of a service. Read once a process: 35 ms for `sagemaker`, 2 to 10 ms for the others.

    Raises:
        UnknownService: there is none that we can speak.
    """
    if not _SERVICE_NAME.fullmatch(service):
        raise UnknownService(service)
    versions = sorted((_data_folder() / service).glob("*/service-2.json*"))
    if not versions:
        raise UnknownService(service)
    content = versions[-1].read_bytes()
    raw = orjson.loads(gzip.decompress(content) if versions[-1].suffix == ".gz" else content)
    metadata = raw["metadata"]
    offered = metadata.get("protocols") or [metadata["protocol"]]
    protocols = [each for each in Protocol if each.value in offered]
    if not protocols:
        raise UnknownService(service)
    return ServiceModel(
        service=service,
        protocols=tuple(protocols),
        json_version=metadata.get("jsonVersion", "1.1"),
        target_prefix=metadata.get("targetPrefix", ""),
        xml_namespace=_namespace(metadata.get("xmlNamespace", "")),
        operations={name: _operation(name, each) for name, each in raw["operations"].items()},
        shapes={name: _without_documentation(each) for name, each in raw["shapes"].items()},
        query_compatible="awsQueryCompatible" in metadata,
    )


@cache
def _data_folder() -> Path:
    spec = importlib.util.find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        raise UnknownService("botocore is not installed")
    return Path(spec.submodule_search_locations[0]) / "data"


def _namespace(value: str | dict[str, str]) -> str:
    return value if isinstance(value, str) else value.get("uri", "")


def _operation(name: str, raw: dict[str, Any]) -> Operation:
    http, output = raw.get("http", {}), raw.get("output", {})
    return Operation(
        name=name,
        method=http.get("method", "POST"),
        path=http.get("requestUri", "/"),
        input=raw.get("input", {}).get("shape"),
        output=output.get("shape"),
        result_wrapper=output.get("resultWrapper"),
        success_status=http.get("responseCode", 200),
        errors=tuple(each.get("error", {}).get("code", each["shape"]) for each in raw.get("errors", ())),
    )


def _without_documentation(shape: Shape) -> Shape:
    shape.pop("documentation", None)
    for member in shape.get("members", {}).values():
        member.pop("documentation", None)
    for part in ("member", "key", "value"):
        if part in shape:
            shape[part].pop("documentation", None)
    return shape


def _path_pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]+)\}", template.partition("?")[0])
    pattern = re.escape(parts[0])
    for label, literal in zip(parts[1::2], parts[2::2], strict=True):
        anything = ".+" if label.endswith("+") else "[^/]+"
        pattern += f"(?P<{_mangle(label.rstrip('+'))}>{anything}){re.escape(literal)}"
    return re.compile(pattern)


def _mangle(label: str) -> str:
    return label.replace("-", "__dash__")


def _unmangle(group: str) -> str:
    return group.replace("__dash__", "-")
