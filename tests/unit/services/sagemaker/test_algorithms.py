"""Algorithms: records of how to train and infer."""

from typing import Any

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import World

ARN = "arn:aws:sagemaker:us-east-1:123456789012:algorithm"
TRAINING = {
    "TrainingImage": "image",
    "SupportedHyperParameters": [{"Name": "depth", "Type": "Integer", "IsRequired": True}],
    "SupportedTrainingInstanceTypes": ["ml.m5.large"],
    "TrainingChannels": [{"Name": "train", "SupportedContentTypes": ["text/csv"], "SupportedInputModes": ["File"]}],
}
INFERENCE = {"Containers": [{"Image": "image"}], "SupportedContentTypes": ["text/csv"]}


def create(world: World, name: str, **members: Any) -> str:
    answer = checked(world, "CreateAlgorithm", AlgorithmName=name, TrainingSpecification=TRAINING, **members)
    return str(answer["AlgorithmArn"])


def test_an_algorithm_is_complete_when_it_is_stored_and_found_by_name_or_arn(world: World) -> None:
    members = {"AlgorithmDescription": "d", "InferenceSpecification": INFERENCE}
    arn = create(world, "Boost", **members)
    assert arn == f"{ARN}/boost"
    described = checked(world, "DescribeAlgorithm", AlgorithmName="boost")
    assert described == checked(world, "DescribeAlgorithm", AlgorithmName=arn)
    assert {member: described[member] for member in members} == members
    assert described["TrainingSpecification"] == TRAINING
    assert (described["AlgorithmStatus"], described["CertifyForMarketplace"]) == ("Completed", False)
    assert described["AlgorithmStatusDetails"] == {"ValidationStatuses": [], "ImageScanStatuses": []}
    (summary,) = checked(world, "ListAlgorithms")["AlgorithmSummaryList"]
    assert summary == {member: described[member] for member in summary}


def test_an_algorithm_that_is_there_or_is_not_is_worded_as_aws_words_it(world: World) -> None:
    create(world, "a")
    error = refused(world, "CreateAlgorithm", AlgorithmName="A", TrainingSpecification=TRAINING)
    assert (error.code, error.message) == ("ValidationException", f"Algorithm already exists: {ARN}/a")
    for operation in ("DescribeAlgorithm", "DeleteAlgorithm"):
        error = refused(world, operation, AlgorithmName="b")
        assert (error.code, error.message) == ("ResourceNotFound", f"Algorithm {ARN}/b does not exist.")
    assert world.call("DeleteAlgorithm", AlgorithmName="a") == {}
    assert checked(world, "ListAlgorithms")["AlgorithmSummaryList"] == []


def test_algorithms_are_listed_in_the_order_of_their_creation_unless_it_is_another_that_is_asked_for(
    world: World,
) -> None:
    for name in ("b", "a", "Boost"):
        create(world, name)

    def names(**filters: Any) -> list[str]:
        return [each["AlgorithmName"] for each in checked(world, "ListAlgorithms", **filters)["AlgorithmSummaryList"]]

    assert names() == ["b", "a", "Boost"]
    assert names(SortBy="Name", SortOrder="Descending")[-1] != names(SortBy="Name")[-1]
    assert names(NameContains="oos") == ["Boost"]
    first = checked(world, "DescribeAlgorithm", AlgorithmName="b")["CreationTime"]
    assert names(CreationTimeBefore=first) == []


PROFILE = {
    "ProfileName": "p",
    "TrainingJobDefinition": {
        "TrainingInputMode": "File",
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/train"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://out/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    },
}


@pytest.mark.parametrize(
    "asked",
    [
        {"CertifyForMarketplace": True},
        {
            "ValidationSpecification": {
                "ValidationRole": "arn:aws:iam::123456789012:role/R",
                "ValidationProfiles": [PROFILE],
            }
        },
    ],
)
def test_an_algorithm_that_is_to_be_validated_or_certified_is_not_built(world: World, asked: Params) -> None:
    error = refused(world, "CreateAlgorithm", AlgorithmName="a", TrainingSpecification=TRAINING, **asked)
    assert (error.code, error.status) == ("NotImplementedException", 501)
    assert checked(world, "ListAlgorithms")["AlgorithmSummaryList"] == []
