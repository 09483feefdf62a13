"""Which artifacts ModelBuilder packed, told by the files that it leaves."""

from pathlib import Path

import pytest

from sagesmith.agent.model_builder import packed_by, without_the_sdk
from sagesmith.images import sdk
from sagesmith.images.base import ImageNotRunnable
from sagesmith.images.registry import resolve_on

SCRIPT = b"from sagemaker.serve.validations.check_integrity import perform_integrity_check\n"


def artifact(root: Path, script: bytes, pickled: bytes | None) -> Path:
    (root / "code").mkdir()
    (root / "code" / "inference.py").write_bytes(script)
    if pickled is not None:
        (root / "code" / "serve.pkl").write_bytes(pickled)
    return root


@pytest.mark.parametrize(
    ("pickled", "major"),
    [
        pytest.param(b"\x80\x05sagemaker.serve.builder.schema_builder\x94sagemaker.base_serializers", "2", id="v2"),
        pytest.param(b"\x80\x05sagemaker.core.serializers.base", "3", id="v3"),
        pytest.param(b"x" * ((1 << 20) - 7) + b"sagemaker.core.serializers", "3", id="v3 behind a large model"),
    ],
)
def test_the_major_version_of_the_sdk_is_that_of_the_classes_in_the_pickle(
    tmp_path: Path, pickled: bytes, major: str
) -> None:
    assert packed_by(artifact(tmp_path, SCRIPT, pickled)) == major


def test_a_script_of_the_users_own_needs_no_sdk(tmp_path: Path) -> None:
    assert packed_by(tmp_path) is None
    assert packed_by(artifact(tmp_path, b"import pickle\n", b"sagemaker.core")) is None


def test_a_script_that_merely_imports_the_sdk_is_not_taken_for_model_builders(tmp_path: Path) -> None:
    assert packed_by(artifact(tmp_path, SCRIPT, None)) is None


def test_an_image_whose_python_has_no_sdk_is_refused_with_those_that_have_one() -> None:
    runtime = resolve_on("sagemaker-scikit-learn:0.23-1-cpu-py3", ("3.8",), "x86_64")
    with pytest.raises(ImageNotRunnable, match=r"SDK v3.* 3\.10, 3\.11, 3\.12, 3\.13, and the image .* Python 3\.8"):
        sdk.for_model("3", runtime)


def test_the_sdk_that_is_there_already_is_not_installed_again_and_all_else_is(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    kept = ["sagemaker-core>=1", "# sagemaker", "mlflow==2.1", "sagemaker_training"]
    requirements.write_text(
        "\n".join(["sagemaker[huggingface]>=2.199", kept[0], "sagemaker", *kept[1:], "SageMaker==2"])
    )
    without_the_sdk(requirements)
    assert requirements.read_text().splitlines() == kept
    without_the_sdk(tmp_path / "none.txt")
    assert not (tmp_path / "none.txt").exists()
