"""Policies of endpoints, which say who in other accounts may send requests through an inference router.

A platform has one account, and no inference routers yet: a policy is kept for its readers. It ends with its endpoint.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_PutEndpointPolicy.html,
…/API_GetEndpointPolicy.html, …/API_DeleteEndpointPolicy.html
"""

from dataclasses import replace

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import Call, reading, writing
from sagesmith.services.sagemaker.resource_policies import POLICY, check_policy
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceNotFound, ValidationException


def operations(home: Home) -> dict[str, Handler]:
    """The resource policy of an endpoint."""
    return {
        "PutEndpointPolicy": writing(home, _put, _check),
        "GetEndpointPolicy": reading(home, _get),
        "DeleteEndpointPolicy": writing(home, _delete),
    }


def _check(params: Params) -> None:
    if not params["ResourcePolicy"].isascii():
        raise ValidationException("Invalid resource policy: it can contain only ASCII characters.")
    check_policy(params)


def _endpoint(call: Call, params: Params) -> Document:
    name = params["EndpointName"]
    endpoint = ENDPOINT.seek(call.tx, call.context, name)
    if endpoint is None:
        raise ResourceNotFound(f'Could not find endpoint "{ENDPOINT.arn(call.context, name)}".')
    return endpoint


def _put(call: Call, params: Params) -> Params:
    endpoint = _endpoint(call, params)
    if endpoint.status in ("Deleting", "Failed"):
        raise ValidationException(f'Cannot attach a policy to endpoint "{endpoint.arn}": it is {endpoint.status}.')
    call.tx.update(replace(endpoint, body={**endpoint.body, POLICY: params["ResourcePolicy"]}), touch=False)
    return {"EndpointArn": endpoint.arn}


def _get(call: Call, params: Params) -> Params:
    endpoint = _endpoint(call, params)
    if POLICY not in endpoint.body:
        raise ValidationException(f'Endpoint "{endpoint.arn}" does not have a resource policy.')
    return {"EndpointName": endpoint.name, "EndpointArn": endpoint.arn, "ResourcePolicy": endpoint.body[POLICY]}


def _delete(call: Call, params: Params) -> Params:
    endpoint = _endpoint(call, params)
    if POLICY in endpoint.body:
        body = {member: value for member, value in endpoint.body.items() if member != POLICY}
        call.tx.update(replace(endpoint, body=body), touch=False)
    return {}
