from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gateway.doors import Door, opened


@pytest.fixture(scope="session")
def shared_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("door")) as door:
        yield door


@pytest.fixture
def door(shared_door: Door) -> Iterator[Door]:
    """A router without anybody behind it; what a test puts there is gone after it."""
    yield shared_door
    while shared_door.peers:
        shared_door.peers.pop().close()
    shared_door.platform.dir.routes_file.unlink(missing_ok=True)


@pytest.fixture
def sockets(tmp_path_factory: pytest.TempPathFactory, door: Door) -> Path:
    """Where a test may put sockets: a short path."""
    return door.platform.dir.sockets
