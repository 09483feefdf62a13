"""Policies of resources, as those who put and read them have them: nothing here evaluates them."""

import json

from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

POLICY = "_policy"
"""The member of a resource's document that its policy is kept in."""


def check_policy(params: Params) -> None:
    """Make sure that a `ResourcePolicy` is what a policy can be.

    Raises:
        ValidationException: it is not.
    """
    try:
        policy = json.loads(params["ResourcePolicy"])
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        raise ValidationException("Invalid resource policy: it must be a JSON object.")
