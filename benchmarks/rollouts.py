"""One model of an endpoint after another, under constant requests: how many fail."""

import time

from benchmarks.figures import Figure, Figures
from tests.integration.conftest import Running
from tests.integration.rollouts import POLICIES, configuration, deployment, load

ROUNDS = 20
_WAIT_SECONDS = 1
_UNDER_WAY = ("Creating", "Updating", "RollingBack")


def figures(platform: Running) -> Figures:
    """Rounds go through all policies, each with a step's watch of a second."""
    client = platform.client("sagemaker")
    endpoint = configuration(platform, "0", 2)
    client.create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)
    _settled(platform, endpoint)
    answers = 0
    with load(platform, endpoint, clients=4) as requests:
        for number in range(1, ROUNDS + 1):
            policy = list(POLICIES)[number % len(POLICIES)]
            config = configuration(platform, str(number), 2)
            client.update_endpoint(
                EndpointName=endpoint, EndpointConfigName=config, DeploymentConfig=deployment(policy, _WAIT_SECONDS)
            )
            _settled(platform, endpoint)
            assert client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"] == config
            answers += sum(requests.taken().values())
    client.delete_endpoint(EndpointName=endpoint)
    name = f"{ROUNDS} models rolled out, failed of {answers} requests"
    yield Figure(name, "", len(requests.failed), "most", 0)


def _settled(platform: Running, endpoint: str) -> None:
    client = platform.client("sagemaker")
    while client.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] in _UNDER_WAY:
        time.sleep(0.2)
