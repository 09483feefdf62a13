"""Which models a request may name, and which instance it goes to."""

from collections import Counter

import pytest

from sagesmith.gateway import target_models
from sagesmith.wire.errors import AwsError

ADDRESSES = [f"unix:/run/{number}/http.sock" for number in range(4)]
NAMES = [f"{number}.tar.gz" for number in range(100)]


@pytest.mark.parametrize("name", ["a.tar.gz", "/a.tar.gz", "a/b c/d.tar.gz", "100%.tar.gz", "a..b/c.tar.gz", "..."])
def test_the_path_of_an_object_is_a_target(name: str) -> None:
    target_models.check(name)


@pytest.mark.parametrize(
    "name",
    ["", " a", "..", "../a", "a/../b", "a/..", "%2e%2e/a", "..%2fa", "%252e%252e%252fa", "a//b", "a/", "./a", "\x00"],
)
def test_what_is_empty_or_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(AwsError) as raised:
        target_models.check(name)
    assert (raised.value.code, raised.value.status) == ("ValidationError", 400)


def idle(address: str) -> int:
    return 0


def test_models_are_shared_out_among_instances_whatever_their_order() -> None:
    chosen = {name: target_models.nearest(ADDRESSES, name, idle) for name in NAMES}
    assert chosen == {name: target_models.nearest(ADDRESSES[::-1], name, idle) for name in NAMES}
    shares = Counter(one for (one,) in chosen.values())
    assert set(shares) == set(ADDRESSES)
    assert min(shares.values()) > len(NAMES) / len(ADDRESSES) / 2


def test_an_instance_that_goes_moves_its_own_models_alone() -> None:
    for name in NAMES:
        (before,) = target_models.nearest(ADDRESSES, name, idle)
        (after,) = target_models.nearest(ADDRESSES[1:], name, idle)
        assert after == before or before == ADDRESSES[0]


def test_a_model_that_many_ask_for_goes_to_the_next_instance_as_well() -> None:
    (first,) = target_models.nearest(ADDRESSES, "m", idle)
    busy = {first: target_models.CROWDED}
    (second,) = target_models.nearest(ADDRESSES, "m", lambda address: busy.get(address, 0))
    assert second != first
    assert target_models.nearest(ADDRESSES, "m", lambda _: target_models.CROWDED) == ADDRESSES
