"""Endpoints that go from one model to the next while they are asked all the time."""

import time
from collections import Counter

import pytest

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.rollouts import BROKEN, POLICIES, configuration, deployment, load

WAIT_SECONDS = 2
ENOUGH = 100


@pytest.fixture(scope="module")
def endpoint(platform: Running) -> str:
    """One of two instances that answer `0`."""
    called = configuration(platform, "0", 2)
    platform.client("sagemaker").create_endpoint(EndpointName=called, EndpointConfigName=called)
    described = jobs.wait_endpoint(platform, called)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return called


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_no_request_is_dropped_while_the_next_model_takes_over(platform: Running, endpoint: str, policy: str) -> None:
    client = platform.client("sagemaker")
    version = policy.replace(" ", "-")
    config = configuration(platform, version, 2)
    mixed: Counter[str] = Counter()
    with load(platform, endpoint) as requests:
        client.update_endpoint(
            EndpointName=endpoint, EndpointConfigName=config, DeploymentConfig=deployment(policy, WAIT_SECONDS)
        )
        while (described := client.describe_endpoint(EndpointName=endpoint))["EndpointStatus"] == "Updating":
            taken = requests.taken()
            if version in taken and len(taken) > 1:
                mixed += taken
            time.sleep(0.1)
        requests.begin_anew()
        while sum(requests.answered.values()) < ENOUGH:
            time.sleep(0.05)
        assert set(requests.answered) == {version}, "all of them are the next model's at the end"
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    assert described["EndpointConfigName"] == config
    assert requests.failed == []
    if policy != "all at once":
        assert mixed, "there was a time in which both answered"


def test_a_model_that_cannot_be_loaded_never_gets_a_request(platform: Running, endpoint: str) -> None:
    client = platform.client("sagemaker")
    before = client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    config = configuration(platform, "broken", 2, BROKEN)
    with load(platform, endpoint) as requests:
        client.update_endpoint(
            EndpointName=endpoint, EndpointConfigName=config, DeploymentConfig=deployment("canary", 0)
        )
        waiting = ("Updating", "RollingBack")
        while (described := client.describe_endpoint(EndpointName=endpoint))["EndpointStatus"] in waiting:
            time.sleep(0.1)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", before)
    assert "this version cannot be loaded" in described["FailureReason"]
    assert requests.failed == []
    assert len(requests.answered) == 1
