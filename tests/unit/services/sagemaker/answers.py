"""Calls operations and checks what they answer against the API's model."""

from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from sagesmith.services.sagemaker.engine import Kind, handlers_of
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import World

SERVICE = botocore.session.get_session().get_service_model("sagemaker")


def unknown_members(value: Any, shape: Any, path: str) -> list[str]:
    """Members that the shape has not, which botocore's validator does not look for."""
    if shape.type_name == "structure":
        extra = [f"{path}.{name}" for name in value if name not in shape.members]
        inner = [
            unknown_members(value[name], shape.members[name], f"{path}.{name}")
            for name in value
            if name in shape.members
        ]
        return extra + [each for found in inner for each in found]
    if shape.type_name == "list":
        return [each for element in value for each in unknown_members(element, shape.member, f"{path}[]")]
    return []


def checked(world: World, operation: str, **params: Any) -> Params:
    """Call an operation and check the answer against its output shape."""
    answer = {name: value for name, value in world.call(operation, **params).items() if value is not None}
    shape = SERVICE.operation_model(operation).output_shape
    if shape is None:
        assert answer == {}
        return answer
    assert not ParamValidator().validate(answer, shape).has_errors()
    assert unknown_members(answer, shape, operation) == []
    return answer


def refused(world: World, operation: str, **params: Any) -> AwsError:
    """The error that an operation answers."""
    with pytest.raises(AwsError) as raised:
        world.call(operation, **params)
    return raised.value


def declare(world: World, *kinds: Kind) -> None:
    """Add the operations of kinds to a world's."""
    world.operations |= handlers_of(world.home, kinds)


def listed(world: World, operation: str, items: str, member: str, **query: Any) -> list[Any]:
    """One member of every summary that a List answers with."""
    return [each[member] for each in checked(world, operation, **query)[items]]
