"""The object store's configuration: ports, keys, what others can see."""

import socket
import stat
from pathlib import Path

import pytest

from sagesmith.config import DataDir
from sagesmith.credentials import KeyRing
from sagesmith.objects.errors import ObjectStoreFailed
from sagesmith.objects.ports import GRPC_OFFSET, find_ports
from sagesmith.objects.seaweedfs import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    directory = DataDir(tmp_path)
    KeyRing.create(directory.keys, "123456789012", None, None)
    made = ObjectStore(directory)
    made.plan("http://127.0.0.1:9900")
    return made


def test_ports_are_different_and_so_are_their_grpc_ports(tmp_path: Path) -> None:
    ports = find_ports(tmp_path / "ports.json")
    assert len(ports.all()) == 10
    assert all(port + GRPC_OFFSET < 32_768 for port in ports.http())


def test_ports_are_kept_over_restarts(tmp_path: Path) -> None:
    assert find_ports(tmp_path / "ports.json") == find_ports(tmp_path / "ports.json")


def test_a_port_that_was_taken_meanwhile_is_given_up(tmp_path: Path) -> None:
    first = find_ports(tmp_path / "ports.json")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first.s3 + GRPC_OFFSET))
        taken.listen()
        second = find_ports(tmp_path / "ports.json")
    assert second.s3 != first.s3


def test_ports_that_others_will_take_are_avoided(tmp_path: Path) -> None:
    first = find_ports(tmp_path / "ports.json")
    assert find_ports(tmp_path / "ports.json", avoid={first.filer}) != first


def test_a_broken_note_of_ports_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    assert len(find_ports(tmp_path / "ports.json").all()) == 10


def test_no_secret_stands_on_the_command_line(store: ObjectStore) -> None:
    command = " ".join(store.command())
    assert store.secret_access_key not in command
    assert all(
        value not in command
        for name, value in store.environment().items()
        if "KEY" in name and not name.startswith("WEED_GRPC_")  # the name of a file
    )


def test_files_with_secrets_are_for_their_owner_only(store: ObjectStore, tmp_path: Path) -> None:
    for path in (
        tmp_path / "objects" / "s3.json",
        tmp_path / "keys" / "object_store.json",
        tmp_path / "objects/grpc.key",
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_inner_key_is_kept(store: ObjectStore, tmp_path: Path) -> None:
    assert ObjectStore(DataDir(tmp_path)).secret_access_key == store.secret_access_key


def test_a_process_that_is_not_there_is_reported(store: ObjectStore) -> None:
    with pytest.raises(ObjectStoreFailed, match="or was not started"):
        store.wait_ready(0)
