"""Policies of endpoints."""

from dataclasses import replace

import pytest

from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import World, model, variant

POLICY = '{"Version": "2012-10-17", "Statement": []}'
ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint"


@pytest.fixture
def endpoint(world: World) -> str:
    """An endpoint."""
    world.call("CreateModel", **model("m"))
    world.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("m")])
    world.call("CreateEndpoint", EndpointName="Churn", EndpointConfigName="c")
    return "churn"


def test_a_policy_is_kept_until_it_is_deleted(world: World, endpoint: str) -> None:
    missing = refused(world, "GetEndpointPolicy", EndpointName=endpoint)
    assert (missing.code, missing.message) == (
        "ValidationException",
        f'Endpoint "{ARN}/churn" does not have a resource policy.',
    )
    assert world.call("DeleteEndpointPolicy", EndpointName=endpoint) == {}
    before = world.call("DescribeEndpoint", EndpointName=endpoint)
    assert checked(world, "PutEndpointPolicy", EndpointName=endpoint, ResourcePolicy="{}") == {
        "EndpointArn": f"{ARN}/churn"
    }
    checked(world, "PutEndpointPolicy", EndpointName=endpoint, ResourcePolicy=POLICY)
    got = checked(world, "GetEndpointPolicy", EndpointName=endpoint)
    assert got == {"EndpointName": "Churn", "EndpointArn": f"{ARN}/churn", "ResourcePolicy": POLICY}
    assert world.call("DescribeEndpoint", EndpointName=endpoint) == before
    world.call("DeleteEndpointPolicy", EndpointName=endpoint)
    assert refused(world, "GetEndpointPolicy", EndpointName=endpoint).message == missing.message


@pytest.mark.parametrize("text", ["{", "[]", '{"Statement": "é"}'])
def test_a_policy_is_a_json_object_in_ascii(world: World, endpoint: str, text: str) -> None:
    error = refused(world, "PutEndpointPolicy", EndpointName=endpoint, ResourcePolicy=text)
    assert (error.code, error.message.split(":")[0]) == ("ValidationException", "Invalid resource policy")
    assert refused(world, "GetEndpointPolicy", EndpointName=endpoint).code == "ValidationException"


@pytest.mark.parametrize("status", ["Deleting", "Failed"])
def test_an_endpoint_that_ends_takes_no_policy(world: World, endpoint: str, status: str) -> None:
    stored = world.stored("endpoint", endpoint)
    with world.store.write() as tx:
        tx.update(replace(stored, status=status))
    error = refused(world, "PutEndpointPolicy", EndpointName=endpoint, ResourcePolicy=POLICY)
    assert (error.code, status in error.message) == ("ValidationException", True)


def test_a_policy_is_an_endpoints_and_ends_with_it(world: World, endpoint: str) -> None:
    for operation in ("GetEndpointPolicy", "DeleteEndpointPolicy"):
        assert refused(world, operation, EndpointName="other").code == "ResourceNotFound"
    error = refused(world, "PutEndpointPolicy", EndpointName="other", ResourcePolicy=POLICY)
    assert (error.code, error.message) == ("ResourceNotFound", f'Could not find endpoint "{ARN}/other".')
