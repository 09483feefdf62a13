"""Wakes outlive whoever asked for them, and are there until they are answered."""

from pathlib import Path

from sagesmith import wakes


def test_a_wake_is_there_until_it_is_answered(tmp_path: Path) -> None:
    folder = tmp_path / "wakes"
    assert list(wakes.asked(folder)) == []
    wakes.ask(folder, "eu-west-1", "My-Endpoint")
    wakes.ask(folder, "eu-west-1", "My-Endpoint")
    assert list(wakes.asked(folder)) == [("eu-west-1", "my-endpoint")]
    assert wakes.is_asked(folder, "eu-west-1", "my-endpoint")
    assert not wakes.is_asked(folder, "us-east-1", "my-endpoint")
    wakes.answered(folder, "eu-west-1", "MY-ENDPOINT")
    wakes.answered(folder, "eu-west-1", "MY-ENDPOINT")
    assert list(wakes.asked(folder)) == []
