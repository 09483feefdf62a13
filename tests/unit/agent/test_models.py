"""Where the models of a multi-model endpoint lie."""

import io
import json
import os
import socket
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagesmith.agent.models import ModelRefused, ModelStore, _answer, uri_of
from sagesmith.agent.output import Output
from sagesmith.agent.taskdir import TaskDir
from sagesmith.compute.base import Models


@pytest.mark.parametrize(
    ("prefix", "name", "uri"),
    [
        ("s3://b/p/", "m.tar.gz", "s3://b/p/m.tar.gz"),
        ("s3://b/p", "m.tar.gz", "s3://b/p/m.tar.gz"),
        ("s3://b/p", "/m.tar.gz", "s3://b/p/m.tar.gz"),
        ("s3://b/p/", "a b/%2e/m", "s3://b/p/a b/%2e/m"),
    ],
)
def test_a_model_is_named_relative_to_the_prefix(prefix: str, name: str, uri: str) -> None:
    assert uri_of(prefix, name) == uri


@pytest.mark.parametrize("name", ["", "..", "../m", "a/../m", "/m", "//m", "a//m", "a/", "s3://other/m", "a\nb"])
def test_a_name_that_leads_out_of_the_prefix_is_refused(name: str) -> None:
    with pytest.raises(ModelRefused) as raised:
        uri_of("s3://b/p/", name)
    assert raised.value.kind == "BadTarget"


def packed(size: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo("model")
        entry.size = size
        archive.addfile(entry, io.BytesIO(bytes(size)))
    return file.getvalue()


def store_of(folder: Path, limit_bytes: int, before: Callable[[], object] = lambda: None) -> ModelStore:
    """A store whose models have 1000 bytes each; `before` is called before each is downloaded."""

    def read(bucket: str, key: str, max_bytes: int) -> bytes:
        before()
        return packed(1000)

    directory = TaskDir(folder)
    directory.models.mkdir()
    output = Output(directory.output, [], directory.metrics)
    task = SimpleNamespace(directory=directory, output=output, uid=os.geteuid(), s3=SimpleNamespace(read=read))
    return ModelStore(cast("Any", task), Models("s3://b/p/", True), limit_bytes)


def test_models_that_are_brought_at_once_take_no_more_room_together_than_there_is(tmp_path: Path) -> None:
    both = threading.Barrier(2)
    store = store_of(tmp_path, 1500, lambda: both.wait(10))
    refused: list[str] = []

    def fetch(name: str) -> None:
        try:
            store.fetch(name)
        except ModelRefused as error:
            refused.append(error.kind)

    threads = [threading.Thread(target=fetch, args=(name,)) for name in ("one", "two")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert refused == ["NoRoom"]
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_nothing_is_kept_of_models_that_nobody_is_at(tmp_path: Path) -> None:
    store = store_of(tmp_path, 1 << 30)
    for name in ("one", "two"):
        store.drop(store.fetch(name).id)
    assert (store._busy, store._taken, list((tmp_path / "models").iterdir())) == ({}, {}, [])


def test_the_files_of_a_model_go_if_who_asked_for_it_is_gone(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    store = store_of(tmp_path, 1 << 30, ours.close)
    ours.sendall(json.dumps({"fetch": "one"}).encode() + b"\n")
    with theirs, pytest.raises(OSError):
        _answer(store, theirs)
    assert list((tmp_path / "models").iterdir()) == []
