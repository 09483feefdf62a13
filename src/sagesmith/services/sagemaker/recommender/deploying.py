"""The endpoint of a load test: made by the platform's own operations, in the job's name, and deleted for sure."""

import time
from dataclasses import replace

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.endpoint_configs import ENDPOINT_CONFIG
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import Call, created
from sagesmith.services.sagemaker.model_packages import MODEL_PACKAGE, containers_in
from sagesmith.services.sagemaker.models import MODEL
from sagesmith.services.sagemaker.on_behalf import call_for
from sagesmith.services.sagemaker.recommender.load_tests import LoadTest
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params

_LONGEST_PREFIX = 40


def deploy(home: Home, tx: Transaction, document: Document, test: LoadTest) -> LoadTest:
    """Make a test's model, endpoint configuration and endpoint, all of one name; the test that waits for it.

    Raises:
        AwsError: one of them is refused.
    """
    call = call_for(home, tx, document, "CreateEndpoint")
    name = _name(document, test)
    created(call, MODEL, {"ModelName": name, **_model(call, document, test)})
    sizes = {"InstanceType": test.instance_type, "InitialInstanceCount": 1}
    capacity = sizes if test.serverless is None else {"ServerlessConfig": test.serverless}
    variant = {"VariantName": test.variant, "ModelName": name, **capacity}
    created(call, ENDPOINT_CONFIG, {"EndpointConfigName": name, "ProductionVariants": [variant]})
    created(call, ENDPOINT, {"EndpointName": name, "EndpointConfigName": name})
    return replace(test, state="deploying", endpoint=name, created_at=call.now)


def remove(home: Home, tx: Transaction, document: Document, test: LoadTest) -> None:
    """Delete what `deploy` made, as far as it is there; the endpoint's end is its own reconciler's."""
    for kind in (ENDPOINT_CONFIG, MODEL):
        if tx.get(kind.id, document.region, kind.key(test.endpoint)) is not None:
            tx.delete(kind.id, document.region, kind.key(test.endpoint))
    endpoint = tx.lock(ENDPOINT.id, document.region, ENDPOINT.key(test.endpoint), exclusive=True)
    if endpoint is None or endpoint.status == "Deleting":
        return
    deleting = ENDPOINT.on_delete(call_for(home, tx, document, "DeleteEndpoint"), endpoint)
    if deleting is not None:
        tx.update(deleting)
    tx.schedule(ENDPOINT.id, document.region, endpoint.key, time.time())


def removed(tx: Transaction, document: Document, test: LoadTest) -> bool:
    """Whether nothing is left of a test's endpoint."""
    return tx.get(ENDPOINT.id, document.region, ENDPOINT.key(test.endpoint)) is None


def _name(document: Document, test: LoadTest) -> str:
    """`<job>-<what no other job has>-<number>`; AWS gives what a job makes the job's name as prefix too."""
    return f"{document.name[:_LONGEST_PREFIX].rstrip('-')}-{document.body['_id']}-{test.number + 1}"


def _model(call: Call, document: Document, test: LoadTest) -> Params:
    """What CreateModel is given besides the name: the model or the package that is tried, with the test's variables."""
    given, role = document.body["InputConfig"], document.body["RoleArn"]
    if arn := given.get("ModelPackageVersionArn"):
        package = MODEL_PACKAGE.find(call.tx, call.context, arn)
        containers, kept = containers_in(package, test.specification), {"ExecutionRoleArn": role}
    else:
        model = MODEL.find(call.tx, call.context, given["ModelName"]).body
        containers = model.get("Containers") or [model["PrimaryContainer"]]
        kept = {"ExecutionRoleArn": role, **{name: model[name] for name in _KEPT if name in model}}
    tuned = [{**each, "Environment": {**(each.get("Environment") or {}), **test.environment}} for each in containers]
    return {**kept, "PrimaryContainer": tuned[0]} if len(tuned) == 1 else {**kept, "Containers": tuned}


_KEPT = ("ExecutionRoleArn", "EnableNetworkIsolation", "InferenceExecutionConfig", "VpcConfig")
"""Members of a model that its copies have as well."""
