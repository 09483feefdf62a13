"""Inference pipelines as the SageMaker SDK v2 asks for them."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "inference_pipelines_v2.py", tmp_path_factory.mktemp("serial-v2"))


def test_a_pipeline_model_is_a_model_with_several_containers(v2: Seen) -> None:
    assert v2["deploy_a_pipeline_model"] == ["sagemaker-scikit-learn", "sagemaker-xgboost"]


def test_rows_go_through_the_featuriser_and_the_trees(v2: Seen) -> None:
    seen = v2["predict_through_both"]
    assert seen["count"] == 16
    assert seen["error"] < 40, "of targets up to some 300"


def test_its_transformer_sends_data_through_both(v2: Seen) -> None:
    assert v2["transform_through_both"] == v2["predict_through_both"]


def test_model_and_endpoint_are_deleted(v2: Seen) -> None:
    assert v2["delete_it"] is False
