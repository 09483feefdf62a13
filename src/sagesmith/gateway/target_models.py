"""Which model of a multi-model endpoint a request is for, and which of its instances has it.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/invoke-multi-model-endpoint.html
"""

from collections.abc import Callable
from hashlib import blake2b
from urllib.parse import unquote

from sagesmith.routes import EndpointRoute, VariantRoute
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError

WAITED_HEADER = b"x-sagesmith-model-wait"
"""From a model server: for how many microseconds an invocation has waited for its model to be loaded."""
CROWDED = 8
"""So many requests of a router's under way to an instance, and a model's further ones go to another."""
_PATTERN = r"\A\S[\p{Print}]*\z"
_UNQUOTED = 3
"""How often a name is looked at that is encoded: nobody who means a model encodes it at all."""


def check(name: str) -> None:
    """Make sure that a name can be one below a prefix.

    Raises:
        AwsError: ValidationError.
    """
    if not name.isprintable() or not name.isascii() or not name or name[0] == " ":
        raise AwsError(
            "ValidationError",
            f"1 validation error detected: Value '{name}' at 'targetModel' failed to satisfy constraint: Member must "
            f"satisfy regular expression pattern: {_PATTERN}",
            400,
        )
    plain = name
    for _ in range(_UNQUOTED):
        plain = unquote(plain)
    parts = plain.replace("\\", "/").split("/")
    if ".." in parts or "." in parts or "" in parts[1:] or "\0" in plain:
        raise AwsError(
            "ValidationError",
            f"Invalid target model {name}: it must be the path of a model relative to the endpoint's S3 prefix, "
            "without empty parts, . or ..",
            400,
        )


def answerable(context: RequestContext, route: EndpointRoute, name: str | None) -> list[VariantRoute]:
    """The variants that a request can go to: those with many models if it names one, else all others.

    Raises:
        AwsError: ValidationError, there are none, though the endpoint serves.
    """
    found = [one for one in route.variants if one.multi_model == (name is not None)]
    if not found and route.variants:
        raise AwsError(
            "ValidationError",
            f"Request {context.request_id} is missing a target model header. Multi-model endpoints require target "
            "model header."
            if name is None
            else f"Endpoint {route.name} is not a multi-model endpoint and does not support target model header.",
            400,
        )
    return found


def nearest(addresses: list[str], name: str, outstanding: Callable[[str], int]) -> list[str]:
    """The instance that a request for a model goes to, of those that can be asked.

    Every router has the same order of instances for a model, and for most models it begins with the same one after
    others came or went (rendezvous hashing). The first one in it that is not crowded gets the request, so that a model
    that many ask for is loaded by several instances. Where all are crowded any of them may be asked.

    Args:
        outstanding: how many requests of this router's are under way to an address.
    """
    if len(addresses) < 2:
        return addresses
    of_model = blake2b(name.encode())

    def rank(address: str) -> bytes:
        together = of_model.copy()
        together.update(address.encode())
        return together.digest()

    ranked = sorted(addresses, key=rank)
    return next(([address] for address in ranked if outstanding(address) < CROWDED), addresses)
