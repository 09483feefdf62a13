"""The administrator's pretrained weights, as jobs see them."""

from pathlib import Path

import pytest

from sagesmith.agent.runtime import WEIGHTS, training_packages
from sagesmith.images import registry


def test_built_in_algorithms_alone_see_the_folder_of_pretrained_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm, other = (
        registry.resolve(uri) for uri in ("image-classification:1", "pytorch-training:2.13.0-cpu-py311")
    )
    monkeypatch.delenv("SAGESMITH_WEIGHTS", raising=False)
    without = training_packages(algorithm)
    monkeypatch.setenv("SAGESMITH_WEIGHTS", str(tmp_path))
    assert training_packages(algorithm) == [*without, (tmp_path, WEIGHTS, False)]
    assert WEIGHTS not in [inside for _, inside, _ in training_packages(other)]
    monkeypatch.setenv("SAGESMITH_WEIGHTS", str(tmp_path / "missing"))
    assert training_packages(algorithm) == without
