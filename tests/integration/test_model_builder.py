"""ModelBuilder of both SDKs, unmodified, from a model in a program's memory to its endpoint's answers."""

from pathlib import Path

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v3(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "model_builder_v3.py", tmp_path_factory.mktemp("v3"))


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "model_builder_v2.py", tmp_path_factory.mktemp("v2"))


def test_a_fitted_model_of_sdk_v3_answers_arrays_with_arrays(v3: Seen) -> None:
    seen = v3["a_fitted_model"]
    assert seen["status"] == "InService", seen["reason"]
    assert seen["environment"]["MODEL_CLASS_NAME"] == "sklearn.linear_model._base.LinearRegression"
    assert seen["answer"] == pytest.approx([3, 7, 12])


def test_a_specification_of_sdk_v3_is_run_around_its_schema_with_what_it_depends_on(v3: Seen) -> None:
    seen = v3["a_specification_with_its_dependencies"]
    assert seen["status"] == "InService", seen["reason"]
    assert seen["answer"] == {"weighted": [6.0, 9.0, "0.9.0"]}


def test_a_model_of_mlflow_is_served_by_its_flavour_through_sdk_v3(v3: Seen) -> None:
    seen = v3["a_model_of_mlflow"]
    assert seen["status"] == "InService", seen["reason"]
    assert seen["environment"]["MLFLOW_MODEL_FLAVOR"] == "sklearn"
    assert seen["answer"] == pytest.approx([3, 7, 12])


def test_a_specification_of_sdk_v2_answers_through_its_schema_or_its_own_translators(v2: Seen) -> None:
    for step in ("a_specification", "a_specification_with_translators"):
        seen = v2[step]
        assert seen["status"] == "InService", seen["reason"]
        assert seen["answer"] == [6.0, 9.0]


def test_mlflows_own_client_deploys_predicts_and_deletes(platform: Running, tmp_path: Path) -> None:
    seen = programs.run(platform, "sdk-v3", "mlflow_deployments.py", tmp_path)
    deployed = seen["a_deployment"]
    assert deployed["status"] == "InService", deployed["reason"]
    assert deployed["predictions"] == pytest.approx([3, 7, 12])
    assert deployed["csv"] == {"predictions": pytest.approx([3, 7, 12])}
    assert deployed["name"] in deployed["listed"]
    assert seen["its_end"]
