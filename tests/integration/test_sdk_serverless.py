"""Serverless inference as the SageMaker SDK does it."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "serverless_v2.py", tmp_path_factory.mktemp("serverless"))


def test_v2_deploys_with_a_serverless_inference_config(v2: Seen) -> None:
    assert v2["deploy"] == {"status": "InService", "MemorySizeInMB": 2048, "MaxConcurrency": 4}


def test_v2_wakes_the_endpoint_by_a_prediction(v2: Seen) -> None:
    assert v2["predict"] == [[3.0, 6.0], [9.0, 12.0]]


def test_v2_updates_it_to_provisioned_concurrency(v2: Seen) -> None:
    expected = {"MemorySizeInMB": 1024, "MaxConcurrency": 3, "ProvisionedConcurrency": 1}
    assert v2["provision"] == {"status": "InService", **expected}
    assert v2["predict_again"] == [[15.0, 18.0]]
    assert v2["delete"]
