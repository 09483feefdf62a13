"""What a router keeps of serverless endpoints."""

import os
from pathlib import Path

from sagesmith.credentials import Principal
from sagesmith.gateway.serverless import Serverless
from sagesmith.routes import EndpointRoute, ServerlessRoute, VariantRoute
from sagesmith.slots import path_of
from sagesmith.wire.context import RequestContext


def test_endpoints_that_were_deleted_leave_no_open_file(tmp_path: Path) -> None:
    slots = tmp_path / "slots"
    serverless = Serverless(tmp_path / "wakes", slots, tmp_path / "invocations")
    principal = Principal("arn:aws:iam::123456789012:root", "123456789012", "AKIA", "123456789012")
    context = RequestContext("r", "sagemaker", "", "us-east-1", principal, "127.0.0.1", "", "")
    limits = ServerlessRoute("v", 1)
    before = len(os.listdir("/proc/self/fd"))
    kept = serverless.enter(context, EndpointRoute("kept", "InService", [VariantRoute("v", 1, [])]), limits, b"")
    path_of(slots, "us-east-1", "kept").unlink()  # deleted in the middle of an invocation
    for number in range(20):
        name = f"ep-{number}"
        serverless.enter(context, EndpointRoute(name, "InService", [VariantRoute("v", 1, [])]), limits, b"").end()
        path_of(slots, "us-east-1", name).unlink()
    assert len(os.listdir("/proc/self/fd")) - before <= 2
    kept.end()
    serverless.close()
