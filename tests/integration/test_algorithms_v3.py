"""Built-in algorithms by the SDK v3: a ModelTrainer and an endpoint of what it made."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def seen(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "algorithms_v3.py", tmp_path_factory.mktemp("algorithms"))


def test_kmeans_is_trained_by_two_instances_and_deployed(seen: Seen) -> None:
    assert seen["kmeans"]["metrics"]["train:msd"] < 1
    one, other = (each["closest_cluster"] for each in seen["kmeans"]["answer"]["predictions"])
    assert one != other


def test_xgboost_is_trained_and_deployed(seen: Seen) -> None:
    assert seen["xgboost"]["metrics"]["validation:auc"] > 0.95
    above, below = seen["xgboost"]["answer"]
    assert above > 0.5 > below


def test_blazingtext_is_trained_and_deployed(seen: Seen) -> None:
    assert seen["blazingtext"]["metrics"]["validation:accuracy"] == 1.0
    assert [each["label"] for each in seen["blazingtext"]["answer"]] == [["__label__good"]]
