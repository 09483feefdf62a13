"""What a container gets, and what is said where there is no engine."""

import os
from pathlib import Path

import pytest

from sagesmith.agent import engine
from sagesmith.agent.container import _divided, _mount, _read_back
from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.sandbox import UIDS_OF_A_CONTAINER, container_uid


def test_only_values_with_line_breaks_pass_through_the_engines_environment() -> None:
    by_file, by_name = _divided({"PATH": "/bin", "KEY": "a\nb", "LD_PRELOAD": "/x.so"})
    assert by_file == {"PATH": "/bin", "LD_PRELOAD": "/x.so"}
    assert by_name == {"KEY": "a\nb"}


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "CONTAINERS_CONF", "https_proxy", "XDG_RUNTIME_DIR", "GODEBUG"])
def test_what_the_engine_would_heed_itself_never_reaches_its_environment(name: str) -> None:
    with pytest.raises(TaskFailed, match=name):
        _divided({name: "a\nb"})


def test_a_mount_of_a_path_with_a_comma_stays_one_mount() -> None:
    assert _mount(Path('/a,b"c'), "/in") == ["--mount", '"type=bind","src=/a,b""c","dst=/in","ro=true"']


def test_what_the_engine_printed_is_taken_out_of_the_programs_pipe() -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"name\n")
    assert _read_back(write_end) == b"name\n"
    assert _read_back(write_end) == b""
    os.write(write_end, b"output\n")
    assert os.read(read_end, 100) == b"output\n"
    os.close(read_end)
    os.close(write_end)


def test_a_note_of_a_container_whose_engine_is_gone_is_removed(tmp_path: Path) -> None:
    record = tmp_path / "container.json"
    engine.note(record, "/no/such/engine", "sagesmith-x", tmp_path / "opt_ml")
    engine.remove_noted(record)
    assert not record.exists()
    engine.remove_noted(record)


def test_gpus_that_a_container_would_not_have_are_refused_and_their_absence_is_not() -> None:
    image = engine.OwnImage("own:1", "podman")
    engine.refuse_gpus(image, "ml.g5.xlarge", [])
    with pytest.raises(TaskFailed, match="own:1 cannot use the GPUs of"):
        engine.refuse_gpus(image, "ml.g5.xlarge", ["0"])


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's engine decides about uids")
def test_two_containers_of_root_share_no_uid() -> None:
    first, second = container_uid("train-a"), container_uid("train-b")
    assert first is not None and second is not None
    assert abs(first - second) >= UIDS_OF_A_CONTAINER
