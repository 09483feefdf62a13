from pathlib import Path

import pytest

from sagesmith.modelserver.settings import Settings


def test_what_is_not_said_has_the_defaults_of_awss_containers() -> None:
    settings = Settings.from_environment({})
    assert settings.model_dir == Path("/opt/ml/model")
    assert settings.default_accept == "application/json"
    assert settings.invocation_timeout_seconds == 60
    assert settings.max_payload_bytes == 25 << 20
    assert settings.workers == 1


def test_a_number_that_makes_no_sense_is_not_taken() -> None:
    settings = Settings.from_environment(
        {"SAGEMAKER_MODEL_SERVER_WORKERS": "many", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "-1"}
    )
    assert (settings.workers, settings.max_payload_bytes) == (1, 25 << 20)


def test_the_timeout_in_seconds_goes_before_the_older_name() -> None:
    both = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "10", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "20"}
    assert Settings.from_environment(both).invocation_timeout_seconds == 20


@pytest.mark.parametrize(
    ("submitted", "folders", "found"),
    [
        ("/opt/ml/model/code", [], "/opt/ml/model/code"),
        ("file:///srv/code", [], "/srv/code"),
        ("s3://bucket/sourcedir.tar.gz", ["code", "model/code"], "{base}/code"),
        ("s3://bucket/sourcedir.tar.gz", ["model/code"], "{base}/model/code"),
        ("", ["code", "model/code"], "{base}/model/code"),
        ("", ["code"], "{base}/code"),
        ("", [], "{base}/model/code"),
    ],
)
def test_the_code_is_where_it_was_submitted_or_unpacked(
    tmp_path: Path, submitted: str, folders: list[str], found: str
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    settings = Settings.from_environment({"SAGEMAKER_BASE_DIR": str(tmp_path), "SAGEMAKER_SUBMIT_DIRECTORY": submitted})
    assert settings.code_dir == Path(found.format(base=tmp_path))
