"""What every service's operations and reconcilers are given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sagesmith.compute.base import Backend
from sagesmith.config import Platform
from sagesmith.credentials import KeyRing
from sagesmith.store import Store
from sagesmith.wire.context import Handler, Params, RequestContext

StoreOperation = Callable[[Store, RequestContext, Params], Params]
"""An operation that needs nothing but the store."""


@dataclass(frozen=True, slots=True)
class Home:
    """The parts of one running platform. A service's package has `handlers(home) -> dict[str, wire.context.Handler]`,
    by operation name."""

    platform: Platform
    store: Store
    backend: Backend
    keyring: KeyRing


def on_store(home: Home, operations: Mapping[str, StoreOperation]) -> dict[str, Handler]:
    """Handlers of operations that need nothing but the store, by operation name."""
    return {name: partial(operation, home.store) for name, operation in operations.items()}
