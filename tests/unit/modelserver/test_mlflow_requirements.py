"""What a model in MLflow's format has installed."""

from pathlib import Path

from sagesmith.modelserver.frameworks import mlflow


def test_constraints_alone_want_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("mlflow==3.1\n-c constraints.txt\n")
    assert mlflow.wanting(tmp_path) == []


def test_files_that_requirements_name_are_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("no-such-thing\n-c constraints.txt\n--requirement=more.txt\n")
    assert mlflow.wanting(tmp_path) == [
        "no-such-thing",
        f"-c {tmp_path}/constraints.txt",
        f"--requirement {tmp_path}/more.txt",
    ]
