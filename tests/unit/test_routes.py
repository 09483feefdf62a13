"""The routing table's values."""

import pytest

from sagesmith.routes import container_address


@pytest.mark.parametrize(
    ("first", "third"),
    [
        ("unix:/run/sockets/serve-1/1/http.sock", "unix:/run/sockets/serve-1/3/http.sock"),
        ("tls:TOKEN@[::1]:4433/1", "tls:TOKEN@[::1]:4433/3"),
    ],
    ids=["here", "on another node"],
)
def test_the_containers_of_an_instance_listen_beside_its_first_one(first: str, third: str) -> None:
    assert container_address(first, 3) == third
    assert container_address(first, 1) == first
