"""Validation in AWS's words. The quoted messages were met at AWS by others and published in their bug reports."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.wire.app import Dispatcher
from sagesmith.wire.models import load_model
from sagesmith.wire.patterns import compile_pattern
from tests.unit.wire.clients import client_for

ROLE = "arn:aws:iam::123456789012:role/r"


def refuse(service: str, operation: str, **params: Any) -> dict[str, Any]:
    """The error of a request with these parameters; its handler must not be called."""

    def handler(context: Any, params: Any) -> Any:
        raise AssertionError(f"the request passed: {params}")

    client = client_for(service, Dispatcher({service: {operation: handler}}))
    method = next(name for name, value in client.meta.method_to_api_mapping.items() if value == operation)
    with pytest.raises(ClientError) as refused:
        getattr(client, method)(**params)
    error: dict[str, Any] = refused.value.response["Error"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error


def test_a_missing_member_is_named() -> None:
    assert refuse("sagemaker", "DescribeModel") == {
        "Code": "ValidationException",
        "Message": "1 validation error detected: Value null at 'modelName' failed to satisfy constraint: "
        "Member must not be null",
    }


def test_all_violations_are_counted_in_one_message() -> None:
    name = "{{ ti.xcom_pull(task_ids='model_training')['Training']['TrainingJobName'] }}"
    message = refuse("sagemaker", "DescribeModel", ModelName=name)["Message"]
    pattern = load_model("sagemaker").shapes["ModelName"]["pattern"]
    assert message == (
        f"2 validation errors detected: Value '{name}' at 'modelName' failed to satisfy constraint: "
        f"Member must have length less than or equal to 63; Value '{name}' at 'modelName' failed to satisfy "
        f"constraint: Member must satisfy regular expression pattern: {pattern}"
    )


def test_members_of_lists_are_named_by_their_number_from_one() -> None:
    variant = {"VariantName": "AllTraffic", "ModelName": "ENTER MODEL NAME"}
    message = refuse(
        "sagemaker",
        "CreateEndpointConfig",
        EndpointConfigName="c",
        ProductionVariants=[{"VariantName": "a", "ModelName": "b"}, variant],
    )["Message"]
    assert "1 validation error detected: Value 'ENTER MODEL NAME' at 'productionVariants.2.member.modelName'" in message


def test_a_number_out_of_range_and_a_word_out_of_an_enum_are_named() -> None:
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.none", "InitialInstanceCount": 0}
    message = refuse("sagemaker", "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant])[
        "Message"
    ]
    assert message.startswith("2 validation errors detected: ")
    assert (
        "Value 'ml.none' at 'productionVariants.1.member.instanceType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [ml.t2.medium, ml.t2.large, "
    ) in message
    assert (
        "Value '0' at 'productionVariants.1.member.initialInstanceCount' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1"
    ) in message


def test_a_map_s_values_are_explained_together() -> None:
    message = refuse("sagemaker", "CreateModel", ModelName="m", PrimaryContainer={"Environment": {"A": "x" * 20000}})[
        "Message"
    ]
    assert (
        "at 'primaryContainer.environment' failed to satisfy constraint: Map value must satisfy constraint: ["
        in message
    )
    assert "Member must have length less than or equal to " in message


def test_a_list_s_strings_are_explained_together() -> None:
    message = refuse(
        "sagemaker", "CreateModel", ModelName="m", VpcConfig={"SecurityGroupIds": ["sg!"], "Subnets": ["s"]}
    )["Message"]
    assert message == (
        "1 validation error detected: Value '[sg!]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 32, Member must have length "
        "greater than or equal to 0, Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]"
    )


def test_an_empty_list_is_too_short() -> None:
    message = refuse("sagemaker", "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[])["Message"]
    assert message == (
        "1 validation error detected: Value '[]' at 'productionVariants' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sts", "AssumeRole", "ValidationError"),
        ("iam", "GetRole", "ValidationError"),
        ("kms", "DescribeKey", "ValidationException"),
        ("logs", "CreateLogGroup", "InvalidParameterException"),
        ("sagemaker-featurestore-runtime", "BatchGetRecord", "ValidationError"),
    ],
)
def test_each_service_has_its_own_code(service: str, operation: str, code: str) -> None:
    assert refuse(service, operation)["Code"] == code


def test_a_secret_is_not_quoted() -> None:
    shapes = load_model("sagemaker").shapes
    assert shapes["ModelPackageModelCard"]["type"] == "structure"
    assert shapes["ModelCardContent"]["sensitive"]
    message = refuse("sagemaker", "CreateModelCard", ModelCardName="c", Content="x" * 100_001, ModelCardStatus="Draft")[
        "Message"
    ]
    assert message == (
        "1 validation error detected: Value at 'content' failed to satisfy constraint: "
        "Member must have length less than or equal to 100000"
    )


@pytest.mark.parametrize("service", ["sagemaker", "sagemaker-runtime", "sts", "iam", "logs", "kms"])
def test_every_pattern_of_the_models_is_understood(service: str) -> None:
    for shape in load_model(service).shapes.values():
        if "pattern" in shape:
            compile_pattern(shape["pattern"])


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", ["", "Größe 5", "日本語", "a\u3000b"], ["a!", "a\n"]),
        (r"\A\S[\p{Print}]*\z", ["text/csv; charset=utf-8"], [" x", "x\n"]),
        (r"^\P{C}*$", ["plain"], ["a\x00"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["a\tb", "😀"], ["a\nb"]),
        (r"\d{2}", ["12"], ["١٢"]),
        (r"[\w-_]*", ["a-b"], ["a b"]),
    ],
)
def test_java_s_patterns_mean_what_they_mean_in_java(pattern: str, good: list[str], bad: list[str]) -> None:
    compiled = compile_pattern(pattern)
    assert all(compiled.fullmatch(text) for text in good)
    assert not any(compiled.fullmatch(text) for text in bad)
