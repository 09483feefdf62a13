"""Inference Recommender with the SageMaker SDK v2."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "recommender_v2.py", tmp_path_factory.mktemp("recommender-v2"))


def test_v2_right_sizes_a_model(v2: Seen) -> None:
    seen = v2["right_size"]
    assert seen["metrics"]["MaxInvocations"] > 1_000
    assert seen["metrics"]["CostPerHour"] == pytest.approx(0.102)
    assert [(each["Key"], each["Value"]) for each in seen["environment"]] == [("SAGEMAKER_MODEL_SERVER_WORKERS", "1")]


def test_v2_deploys_a_model_as_it_was_recommended(v2: Seen) -> None:
    assert v2["deploy_as_recommended"] == "ml.c5.large"
