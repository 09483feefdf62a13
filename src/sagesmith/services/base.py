"""What every service's operations and reconcilers are given."""

from dataclasses import dataclass

from sagesmith.compute.base import Backend
from sagesmith.config import Platform
from sagesmith.credentials import KeyRing
from sagesmith.store import Store


@dataclass(frozen=True, slots=True)
class Home:
    """The parts of one running platform. A service's package has `handlers(home) -> dict[str, wire.context.Handler]`,
    by operation name."""

    platform: Platform
    store: Store
    backend: Backend
    keyring: KeyRing
