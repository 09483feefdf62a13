"""Documents for tests."""

from typing import Any

from sagesmith.store import Document

REGION = "us-east-1"


def model(name: str, **members: Any) -> Document:
    """A document of kind `model` in REGION, with what `members` say otherwise."""
    return Document(
        **{
            "kind": "model",
            "region": REGION,
            "key": name,
            "name": name,
            "arn": f"arn:aws:sagemaker:{members.get('region', REGION)}:123456789012:model/{name}",
            "body": {"ModelName": name},
            **members,
        }
    )
