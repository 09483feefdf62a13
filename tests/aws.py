"""boto3 as the tests use it."""

import boto3
import botocore.loaders
import botocore.session

_LOADER = botocore.loaders.create_loader()
"""Keeps what it read. Each session has a loader of its own by default, and reading SageMaker's model takes 0.3 s."""


def session(
    access_key_id: str | None, secret_access_key: str | None, token: str | None = None, region: str = "us-east-1"
) -> boto3.session.Session:
    """A session of these credentials that shares what was read of the services' models."""
    core = botocore.session.Session()
    core.register_component("data_loader", _LOADER)
    return boto3.session.Session(access_key_id, secret_access_key, token, region, botocore_session=core)
